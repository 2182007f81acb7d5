/** Asks the server for news of the configuration: progress while processing, better tracks later. */
import { type PlayerConfig, unveil, type Veiled } from "./config";

const PROCESSING_MS = 2_000;
const BETTER_MS = 8_000;
/** Longest pause after failures, which double it each time. */
const MAX_MS = 60_000;

export class ConfigWatcher {
  /** The last answer as it came. */
  #known = "";
  #timer = 0;
  #failures = 0;

  constructor(
    private config: PlayerConfig,
    private readonly onNews: (config: PlayerConfig) => void,
  ) {}

  /** Looks again later, if this configuration can still change. */
  schedule(): void {
    window.clearTimeout(this.#timer);
    const { status, complete, config_url } = this.config;
    if (!config_url || status === "error" || (status === "ready" && complete)) return;
    const base = status === "processing" ? PROCESSING_MS : BETTER_MS;
    const wait = Math.min(base * 2 ** this.#failures, MAX_MS);
    this.#timer = window.setTimeout(() => void this.refresh(), wait);
  }

  /** Asks now, and goes on asking. Returns what is known after asking; a failed request changes nothing. */
  async refresh(): Promise<PlayerConfig> {
    if (!this.config.config_url) return this.config;
    try {
      // The browser asks by the tag it has. A tag set here would make this another origin's business to permit.
      const answer = await fetch(this.config.config_url, { cache: "no-cache" });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const text = await answer.text();
      const news = text === this.#known ? null : unveil(JSON.parse(text) as PlayerConfig | Veiled);
      this.#failures = 0;
      if (news) {
        this.#known = text;
        this.config = news;
        this.onNews(news);
      }
    } catch {
      this.#failures = Math.min(this.#failures + 1, 6);
    }
    this.schedule();
    return this.config;
  }
}
