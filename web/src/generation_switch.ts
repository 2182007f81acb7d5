/** From one generation of tracks to a better one, in the middle of watching. */
import type { App } from "./app";
import type { PlayerConfig } from "./config";
import { freezeFrame } from "./freeze";

export class GenerationSwitch {
  /** A generation that waits to be switched to. */
  #better: PlayerConfig | null = null;
  /** Settles when a switch under way is done; null while there is none. */
  switching: Promise<void> | null = null;

  constructor(private readonly app: App) {}

  get waiting(): boolean {
    return this.#better !== null;
  }

  /** Better tracks exist: at once when nobody would notice, else offered and done at the next pause or seek. */
  offer(news: PlayerConfig): void {
    const { video, stage, strings } = this.app;
    this.#better = news;
    if (video.paused || video.ended) {
      this.take();
      return;
    }
    stage.notice(strings.better, { label: strings.switchNow, choose: () => this.take(), later: strings.later }, 15_000);
  }

  /** Switches to what waits, at a position in seconds. */
  take(to_s = this.app.video.currentTime): void {
    const news = this.#better;
    if (!news) return;
    this.#better = null;
    this.switching = this.#replace(news, to_s).finally(() => (this.switching = null));
  }

  async #replace(news: PlayerConfig, to_s: number): Promise<void> {
    const { app } = this;
    const { video, engine, stage, beacons } = app;
    const { rate } = engine;
    const thaw = freezeFrame(video);
    stage.hideNotice();
    beacons.enter("switch");
    app.apply(news);
    app.startAt = to_s;
    try {
      await app.load();
      engine.rate = rate;
      if (app.wanted) {
        await video.play();
        stage.notice(app.strings.switched, undefined, 2500);
      }
      beacons.enter(app.wanted ? "playing" : "pause");
    } catch (error) {
      app.recovery.fail(error);
    } finally {
      thaw();
    }
  }
}
