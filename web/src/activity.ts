/** What moves by itself while somebody watches: the bar that goes away, and the spinner of a wait for data. */
import type { App } from "./app";

/** The bar goes away after this long without a pointer or key while playing. */
const IDLE_MS = 2600;
/** A short stall is not worth a spinner. */
const SPINNER_MS = 250;

export class Activity {
  #idleTimer = 0;
  #spinnerTimer = 0;

  constructor(
    private readonly root: HTMLElement,
    private readonly app: App,
  ) {}

  /** Brings the bar up and lets it go away later. */
  wake(): void {
    this.root.classList.remove("is-asleep");
    window.clearTimeout(this.#idleTimer);
    this.#idleTimer = window.setTimeout(() => this.sleep(), IDLE_MS);
  }

  /** Hides the bar unless somebody is using it. */
  sleep(): void {
    const { app } = this;
    const used =
      app.video.paused ||
      app.phase !== "active" ||
      app.config.asset.kind === "audio" ||
      app.controls.menu.open ||
      app.help.open ||
      app.controls.seekBar.dragging ||
      app.controls.element.matches(":has(:focus-visible)");
    this.root.classList.toggle("is-asleep", !used);
  }

  get asleep(): boolean {
    return this.root.classList.contains("is-asleep");
  }

  /** Playback waits (the spinner comes after a moment) or goes on. */
  busy(on: boolean): void {
    window.clearTimeout(this.#spinnerTimer);
    const { app } = this;
    if (!on) app.stage.busy(false);
    else this.#spinnerTimer = window.setTimeout(() => app.stage.busy(app.phase === "active" || app.phase === "loading"), SPINNER_MS);
  }

  /** The library stands still until it has enough again, by speed 0: the element itself never says "waiting". */
  starving(): void {
    const { engine, beacons, video, started, generations } = this.app;
    if (!started || generations.switching || video.paused || video.ended) return;
    if (engine.starving) {
      if (!video.seeking && beacons.state !== "seek") beacons.enter("buffering");
      this.busy(true);
    } else if (!video.seeking && video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) {
      this.moving();
    }
  }

  moving(): void {
    this.busy(false);
    this.app.beacons.enter("playing");
  }
}
