/** What the media say while they play, told to bar, stage, beacons and bookmark. */
import type { App } from "./app";
import { isShakaError } from "./errors";
import { keep } from "./prefs";

export function listenMedia(root: HTMLElement, app: App): void {
  const { video, engine, stage, controls, beacons, bookmark, activity, recovery, generations } = app;
  const on = (names: string, listener: () => void): void => {
    for (const name of names.split(" ")) video.addEventListener(name, listener);
  };
  on("timeupdate seeking durationchange progress seeked", () => app.tick());
  on("timeupdate", () => {
    if (app.started && !video.paused) bookmark?.keep(video.currentTime, app.duration);
  });
  on("pause ended seeked", () => {
    if (app.started) bookmark?.keep(video.currentTime, app.duration, true);
  });
  on("play pause ended", () => {
    // by the browser's own buttons and keys, too; an element that cannot go on pauses as well, by nobody's wish
    if (app.settled && !video.error) app.wanted = app.playing;
    app.showState();
    activity.wake();
  });
  on("play seeking", () => {
    root.classList.remove("is-ended");
    if (app.phase === "active") stage.again(false);
  });
  on("playing", () => {
    recovery.over();
    if (!engine.starving) activity.moving();
    else activity.starving();
  });
  engine.addEventListener("buffering", () => activity.starving());
  on("pause", () => {
    if (!video.ended && !video.seeking) beacons.enter("pause");
    if (!video.ended) generations.take();
  });
  on("waiting", () => {
    if (app.started && !video.seeking) beacons.enter(app.loaded ? "buffering" : "startup");
    activity.busy(true);
  });
  on("seeking", () => {
    if (app.started) beacons.enter("seek");
  });
  on("seeked", () => {
    // with too little to go on, the seek is not over for the viewer
    if (beacons.state === "seek" && (video.paused || !engine.starving)) beacons.enter(video.paused ? "pause" : "playing");
    if (video.paused) activity.busy(false);
  });
  on("ended", () => {
    beacons.enter("ended");
    root.classList.add("is-ended");
    if (app.config.theme.controls.big_play && app.config.asset.kind === "video") stage.again(true);
    stage.say(app.strings.ended);
  });
  on("volumechange", () => {
    controls.sound(video.volume, video.muted);
    if (!video.muted && app.silenced) {
      app.silenced = false;
      stage.hideNotice();
    }
    keep(app.silenced ? { volume: video.volume } : { volume: video.volume, muted: video.muted });
  });
  on("ratechange", () => controls.tracks());
  on("loadedmetadata resize", () => {
    if (video.videoWidth) root.style.setProperty("--pc-ratio", `${video.videoWidth} / ${video.videoHeight}`);
  });
  const screen = (): void => controls.screen(document.fullscreenElement === root, document.pictureInPictureElement === video);
  on("enterpictureinpicture leavepictureinpicture", screen);
  document.addEventListener("fullscreenchange", screen);
  engine.addEventListener("tracks", () => controls.tracks());
  engine.addEventListener("failure", (event) => {
    const error: unknown = (event as CustomEvent).detail;
    // severity 1: the library goes on by itself
    if (!(isShakaError(error) && error.severity === 1)) recovery.fail(error);
  });
}
