/** What the bar, the keys and the fingers ask of the player. */
import type { App } from "./app";
import { type Actions, SPEEDS } from "./controls";
import { fill } from "./i18n";
import type { KeyActions } from "./keyboard";
import { keep, readPreferences } from "./prefs";
import { enterFullscreen, leaveFullscreen } from "./screen";

interface AirPlayVideo extends HTMLVideoElement {
  webkitShowPlaybackTargetPicker?: () => void;
}

export class Commands {
  constructor(
    private readonly root: HTMLElement,
    private readonly app: App,
  ) {}

  bar(): Actions {
    const { app } = this;
    const { video, strings } = app;
    return {
      toggle: () => app.toggle(),
      seek: (to) => app.seek(to),
      mute: (muted) => {
        video.muted = muted;
        if (!muted && video.volume === 0) video.volume = 0.5;
      },
      volume: (value) => {
        video.volume = value;
        video.muted = value === 0;
      },
      captions: () => this.toggleCaptions(),
      chooseCaptions: (index) => this.#chooseCaptions(index),
      speed: (rate) => {
        app.engine.rate = rate;
        app.stage.say(`${strings.speed}: ${app.controls.speedName(rate)}`);
      },
      loop: (on) => (video.loop = on),
      pip: () => void this.togglePip(),
      airplay: () => (video as AirPlayVideo).webkitShowPlaybackTargetPicker?.(),
      fullscreen: () => void this.toggleFullscreen(),
    };
  }

  keys(): KeyActions {
    const { app } = this;
    const { video, strings } = app;
    const ready = (act: () => void) => (): void => {
      if (app.phase === "idle" || app.phase === "active") act();
    };
    return {
      toggle: ready(() => {
        app.stage.flash(app.playing ? "pause" : "play");
        app.toggle();
      }),
      seekBy: (delta) => this.seekBy(delta),
      seekShare: (share) => {
        if (app.loaded) app.seek(share * app.duration);
      },
      end: () => {
        if (app.loaded) app.seek(app.duration);
      },
      volumeBy: (delta) => {
        video.muted = false;
        video.volume = Math.round(Math.min(Math.max(video.volume + delta, 0), 1) * 100) / 100;
        app.stage.say(`${strings.volume} ${Math.round(video.volume * 100)} %`);
      },
      toggleMute: () => (video.muted = !video.muted),
      fullscreen: () => void this.toggleFullscreen(),
      captions: () => this.toggleCaptions(),
      pip: () => {
        if (app.config.theme.controls.picture_in_picture) void this.togglePip();
      },
      frameStep: (step) => {
        if (app.loaded && video.paused) app.engine.seek(video.currentTime + step * app.engine.frame_s);
      },
      help: () => app.help.toggle(),
      speedStep: (step) => {
        const at = SPEEDS.findIndex((speed) => speed >= app.engine.rate);
        const next = SPEEDS[Math.min(Math.max(at + step, 0), SPEEDS.length - 1)] ?? 1;
        app.engine.rate = next;
        app.stage.notice(`${strings.speed}: ${app.controls.speedName(next)}`, undefined, 1200);
      },
    };
  }

  seekBy(delta_s: number): void {
    const { app } = this;
    if (!app.loaded) return;
    app.seek(app.video.currentTime + delta_s);
    const n = Math.abs(delta_s);
    app.stage.flash(delta_s > 0 ? "forward" : "rewind", `${n} s`);
    app.stage.say(fill(delta_s > 0 ? app.strings.forward : app.strings.rewind, { n }));
  }

  toggleCaptions(): void {
    const tracks = this.app.engine.textTracks();
    if (!tracks.length) return;
    const on = tracks.some((track) => track.active);
    const wanted = readPreferences().captions ?? this.app.language;
    const index = Math.max(0, tracks.findIndex((track) => track.value.language.startsWith(wanted.slice(0, 2))));
    this.#chooseCaptions(on ? null : index);
  }

  /** Turns on what the viewer had on at the last visit. */
  restoreCaptions(): void {
    const wanted = readPreferences().captions;
    const track = wanted ? this.app.engine.textTracks().find((choice) => choice.value.language === wanted) : undefined;
    this.app.engine.setText(track?.value ?? null);
  }

  #chooseCaptions(index: number | null): void {
    const { engine, stage, strings } = this.app;
    const track = index === null ? null : (engine.textTracks()[index]?.value ?? null);
    engine.setText(track);
    keep({ captions: track?.language ?? null });
    stage.say(track ? strings.captionsOn : strings.captionsOff);
  }

  async togglePip(): Promise<void> {
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else if (this.app.loaded) await this.app.video.requestPictureInPicture();
    } catch {
      // refused by the browser or the embedding page: the button simply does nothing
    }
  }

  async toggleFullscreen(): Promise<void> {
    const { theme, asset } = this.app.config;
    if (!theme.controls.fullscreen || asset.kind === "audio") return;
    if (document.fullscreenElement) await leaveFullscreen();
    else await enterFullscreen(this.root, this.app.video);
  }
}
