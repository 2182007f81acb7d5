/**
 * What happened while watching, in slices: each sample is one stretch of one state.
 *
 * Batches go out at most every ten seconds and when the page goes away. Times are milliseconds
 * unless a name says otherwise. Nothing identifies the viewer: the impression is a random number per load.
 */
import type { PlayerConfig } from "./config";
import type { Engine } from "./engine";
import type { Failure } from "./errors";

export type State = "ready" | "startup" | "playing" | "pause" | "buffering" | "seek" | "ended" | "error" | "switch";

export interface Sample {
  sequence: number;
  state: State;
  /** Clock of the viewer at the end of the slice, ms since 1970. */
  at_ms: number;
  duration_ms: number;
  played_ms: number;
  buffered_ms: number;
  paused_ms: number;
  seeked_ms: number;
  from_s: number;
  to_s: number;
  rate: number;
  muted: boolean;
  height: number;
  width: number;
  bitrate_bps: number;
  codecs: string;
  /** Frames dropped during this slice. */
  dropped_frames: number;
  format: string | null;
  captions: string | null;
  audio: string | null;
  fullscreen: boolean;
  /** Once, in the slice that ends with the first frame: from the wish to play to the first frame. */
  startup_ms?: number;
  /** Once, in the first sample: from navigation to a player that answers. */
  page_load_ms?: number;
  error?: { code: string; kind: string; message: string };
}

const INTERVAL_MS = 10_000;
const MAX_QUEUE = 200;
const SHORTEST_MS = 20;

export class Beacons {
  readonly impression = crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
  #queue: Sample[] = [];
  #sequence = 0;
  #state: State = "ready";
  #since = performance.now();
  #fromS = 0;
  #dropped = 0;
  #sentAt = -INTERVAL_MS;
  #timer = 0;
  #wishedAt: number | null = null;
  #startupMs: number | undefined;

  constructor(
    private config: PlayerConfig,
    private readonly engine: Engine,
  ) {
    if (!config.beacon_url) return;
    window.setInterval(() => this.#heartbeat(), INTERVAL_MS);
    addEventListener("pagehide", () => this.#leave());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "hidden") this.#leave();
    });
    this.#push(performance.now(), { page_load_ms: Math.round(performance.now()) });
    this.#flushSoon();
  }

  configure(config: PlayerConfig): void {
    this.config = config;
  }

  /** The viewer (or autoplay) wants playback to begin. */
  startup(): void {
    if (this.#wishedAt !== null) return;
    this.#wishedAt = performance.now();
    this.enter("startup");
  }

  /** Playback was refused before it began; the next wish to play starts the clock anew. */
  refused(): void {
    if (this.#startupMs !== undefined) return;
    this.enter("ready");
    this.#wishedAt = null;
  }

  get state(): State {
    return this.#state;
  }

  /** Closes the running slice and begins one of another state. */
  enter(state: State): void {
    if (state === this.#state) return;
    // until the first frame everything is start-up: the stalls and the seek to the first position too
    if (this.#state === "startup" && (state === "buffering" || state === "seek" || state === "pause")) return;
    const now = performance.now();
    if (this.#state === "startup" && state === "playing" && this.#wishedAt !== null && this.#startupMs === undefined) {
      this.#startupMs = Math.round(now - this.#wishedAt);
      this.#push(now, { startup_ms: this.#startupMs });
    } else {
      this.#push(now);
    }
    this.#state = state;
    this.#flushSoon();
  }

  failed(failure: Failure): void {
    this.enter("error");
    this.#push(performance.now(), { error: { code: failure.code, kind: failure.kind, message: failure.detail.slice(0, 300) } });
    this.#flushSoon();
  }

  #push(now: number, extra: Partial<Sample> = {}): void {
    const { video } = this.engine;
    const rendition = this.engine.rendition();
    const duration = Math.round(now - this.#since);
    const during = (...states: State[]): number => (states.includes(this.#state) ? duration : 0);
    this.#queue.push({
      sequence: this.#sequence++,
      state: this.#state,
      at_ms: Date.now(),
      duration_ms: duration,
      played_ms: during("playing"),
      buffered_ms: during("buffering"),
      paused_ms: during("pause", "ended"),
      seeked_ms: during("seek"),
      from_s: round(this.#fromS),
      to_s: round(video.currentTime),
      rate: this.engine.rate,
      muted: video.muted || video.volume === 0,
      height: rendition.height,
      width: rendition.width,
      bitrate_bps: rendition.bitrate_bps,
      codecs: rendition.codecs,
      dropped_frames: Math.max(0, rendition.dropped - this.#dropped),
      format: this.engine.format,
      captions: this.engine.textTracks().find((track) => track.active)?.value.language ?? null,
      audio: this.engine.audioTracks().find((track) => track.active)?.value.language ?? null,
      fullscreen: document.fullscreenElement !== null,
      ...extra,
    });
    if (this.#queue.length > MAX_QUEUE) this.#queue.shift();
    this.#since = now;
    this.#fromS = video.currentTime;
    this.#dropped = rendition.dropped;
  }

  #heartbeat(): void {
    if (this.#state === "playing" || this.#state === "buffering" || this.#state === "startup") this.#push(performance.now());
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#timer || !this.#queue.length || !this.config.beacon_url) return;
    const wait = Math.max(250, this.#sentAt + INTERVAL_MS - performance.now());
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#send();
    }, wait);
  }

  #leave(): void {
    // hiding and leaving often come together: nothing happens between them
    const now = performance.now();
    if (this.#state !== "ready" && now - this.#since > SHORTEST_MS) this.#push(now);
    this.#send(true);
  }

  #send(leaving = false): void {
    const url = this.config.beacon_url;
    if (!url || !this.#queue.length) return;
    const body = JSON.stringify({
      version: 1,
      impression: this.impression,
      asset: this.config.asset.code,
      generation: this.config.generation,
      live: this.config.asset.live,
      duration_s: this.config.asset.duration_s,
      page: {
        host: location.hostname,
        path: location.pathname,
        embedder: embedder(),
        language: navigator.language,
        screen: [screen.width, screen.height],
        window: [this.engine.container.clientWidth, this.engine.container.clientHeight],
        autoplay: this.config.start.autoplay,
      },
      samples: this.#queue,
    });
    this.#sentAt = performance.now();
    this.#queue = [];
    const blob = new Blob([body], { type: "application/json" });
    if (leaving && navigator.sendBeacon(url, blob)) return;
    // losing a beacon must never disturb watching, so failures are dropped without a retry
    void fetch(url, { method: "POST", body: blob, keepalive: body.length < 60_000, credentials: "omit" }).catch(() => undefined);
  }
}

/** Host of the page around an embed, empty when not embedded or not told. */
function embedder(): string {
  if (window.parent === window || !document.referrer) return "";
  try {
    return new URL(document.referrer).hostname;
  } catch {
    return "";
  }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
