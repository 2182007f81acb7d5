/** When playback fails: a fresh configuration first, then the words for the viewer and a way to try again. */
import type { App } from "./app";
import { describe } from "./errors";

export class Recovery {
  #refreshed = false;

  constructor(private readonly app: App) {
    app.stage.onRetry = () => {
      this.#refreshed = true;
      app.wanted = true;
      void this.#reload();
    };
  }

  /** The picture moves: the next trouble is a new one. */
  over(): void {
    this.#refreshed = false;
  }

  fail(error: unknown): void {
    const { app } = this;
    const failure = describe(error);
    // An access token may have run out: a fresh configuration brings a new one, once per trouble.
    if ((failure.kind === "forbidden" || failure.kind === "gone") && !this.#refreshed && app.config.config_url) {
      this.#refreshed = true;
      void this.#reload();
      return;
    }
    app.beacons.failed(failure);
    app.bridge.tell("error", { error: { kind: failure.kind, code: failure.code } });
    app.stage.error(failure, null);
    app.setPhase("error");
  }

  /** Takes everything anew at the place where it stopped, playing or paused as the viewer left it. */
  async #reload(): Promise<void> {
    const { app } = this;
    app.startAt = app.started ? app.video.currentTime || app.startAt : app.startAt;
    app.loaded = false;
    app.setPhase("loading");
    app.stage.busy(true);
    const news = await app.watcher.refresh();
    app.config = { ...news, start: app.config.start };
    if (news.status !== "ready") app.apply(app.config);
    else if (app.wanted) await app.play();
    else await this.#standBy();
  }

  /** Ready to go on, for who has paused or not begun. */
  async #standBy(): Promise<void> {
    const { app } = this;
    try {
      await app.load();
      app.setPhase(app.started ? "active" : "idle");
    } catch (error) {
      this.fail(error);
    }
  }
}
