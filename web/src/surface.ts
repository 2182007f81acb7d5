/** Pointer and keys of the whole player: the picture, the poster, the frame around them. */
import type { App } from "./app";
import { listenGestures } from "./gestures";
import { listenKeys } from "./keyboard";

export function listenSurface(root: HTMLElement, app: App): void {
  const { activity, commands, video } = app;
  for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) root.addEventListener(name, () => activity.wake());
  root.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") activity.sleep();
  });
  // asked before menu and card hear of the press and close
  let covered = false;
  root.addEventListener("pointerdown", () => (covered = app.controls.menu.open || app.help.open), true);
  const started = (): boolean => app.phase === "active";
  listenGestures(video, {
    spent: () => covered,
    click: () => {
      if (started()) app.toggle();
    },
    doubleClick: () => void commands.toggleFullscreen(),
    tap: () => {
      if (!started()) return;
      if (activity.asleep) activity.wake();
      else if (!video.paused) activity.sleep();
    },
    doubleTap: (side) => commands.seekBy(side === "left" ? -10 : 10),
    doubleTapOn: () => app.config.theme.controls.double_tap && app.loaded,
  });
  app.stage.poster.addEventListener("click", () => {
    if (app.phase === "idle" && !covered) void app.play();
  });
  listenKeys(root, commands.keys(), document.documentElement.classList.contains("pc-embed"));
}
