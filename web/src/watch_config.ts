/** Asks the server for news of the configuration: progress while processing, better tracks later. */
import { type PlayerConfig, unveil, type Veiled } from "./config";

const PROCESSING_MS = 2_000;
const BETTER_MS = 8_000;
/** Longest pause after failures, which double it each time. */
const MAX_MS = 60_000;

export class ConfigWatcher {
  #etag: string | null = null;
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
    this.#timer = window.setTimeout(() => {
      void this.refresh().then(() => this.schedule());
    }, wait);
  }

  /** Asks now. Returns what is known after asking; a failed request changes nothing. */
  async refresh(): Promise<PlayerConfig> {
    if (!this.config.config_url) return this.config;
    try {
      const headers: Record<string, string> = this.#etag ? { "If-None-Match": this.#etag } : {};
      const answer = await fetch(this.config.config_url, { headers, cache: "no-store" });
      if (answer.status === 304) {
        this.#failures = 0;
        return this.config;
      }
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      this.#etag = answer.headers.get("ETag");
      this.config = unveil((await answer.json()) as PlayerConfig | Veiled);
      this.#failures = 0;
      this.onNews(this.config);
    } catch {
      this.#failures = Math.min(this.#failures + 1, 6);
    }
    return this.config;
  }
}
