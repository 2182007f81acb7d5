/**
 * The JavaScript interface for pages that embed the player, by postMessage.
 *
 * In:  {polycast: 1, method: "play" | "pause" | "seek" | "mute" | "volume" | "state", value?: number | boolean}
 * Out: {polycast: 1, event: "ready" | "play" | "pause" | "timeupdate" | "seeked" | "ended" | "volumechange" | "error" | "state", state}
 *
 * Only the parent window is listened to and told. Nothing secret is ever sent.
 */
import type { Engine } from "./engine";

export interface BridgeActions {
  play(): void;
  pause(): void;
  seek(to_s: number): void;
  mute(muted: boolean): void;
  volume(value: number): void;
  duration(): number;
}

interface Command {
  polycast: 1;
  method: string;
  value?: unknown;
}

const TIMEUPDATE_MS = 250;

export class Bridge {
  #lastTime = 0;

  constructor(
    private readonly engine: Engine,
    private readonly actions: BridgeActions,
  ) {
    if (window.parent === window) return;
    addEventListener("message", (event: MessageEvent<unknown>) => {
      if (event.source === window.parent && isCommand(event.data)) this.#run(event.data);
    });
    for (const name of ["play", "pause", "seeked", "ended", "volumechange", "timeupdate"]) {
      engine.video.addEventListener(name, () => {
        if (name === "timeupdate") {
          if (performance.now() - this.#lastTime < TIMEUPDATE_MS) return;
          this.#lastTime = performance.now();
        }
        this.tell(name);
      });
    }
  }

  tell(event: string, extra: Record<string, unknown> = {}): void {
    if (window.parent === window) return;
    const { video } = this.engine;
    const state = {
      time_s: video.currentTime,
      duration_s: this.actions.duration(),
      paused: video.paused,
      ended: video.ended,
      muted: video.muted,
      volume: video.volume,
      rate: this.engine.rate,
    };
    // any origin may embed unless frame-ancestors says otherwise, so the target cannot be narrower
    window.parent.postMessage({ polycast: 1, event, state, ...extra }, "*");
  }

  #run(command: Command): void {
    const { method, value } = command;
    if (method === "play") this.actions.play();
    else if (method === "pause") this.actions.pause();
    else if (method === "seek" && typeof value === "number" && Number.isFinite(value)) this.actions.seek(value);
    else if (method === "mute") this.actions.mute(value !== false);
    else if (method === "volume" && typeof value === "number") this.actions.volume(value);
    else if (method === "state") this.tell("state");
  }
}

function isCommand(data: unknown): data is Command {
  return typeof data === "object" && data !== null && (data as Command).polycast === 1 && typeof (data as Command).method === "string";
}
