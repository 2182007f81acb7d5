/**
 * Playback itself: Shaka Player behind the few verbs that the interface needs.
 *
 * The library is fetched when it is first needed, and no byte of media before `load()`.
 */
import type shaka from "shaka-player/dist/shaka-player.compiled-es2021.js";
import type { Caption, Format, PlayerConfig } from "./config";
import { isShakaError, LOAD_INTERRUPTED, whyUnreadable } from "./errors";
import { languageName } from "./i18n";
import { shortSide, ViewerChoice } from "./viewer_choice";

type Shaka = typeof shaka;

export interface Choice<T> {
  value: T;
  label: string;
  active: boolean;
}

/** Past this share of a growing stream nothing is encoded yet; stay this far from its end, in seconds. */
const EDGE_S = 0.5;

export function isAppleWebKit(): boolean {
  return /apple/i.test(navigator.vendor) && "webkitShowPlaybackTargetPicker" in HTMLMediaElement.prototype;
}

/**
 * HLS where the system plays it natively (AirPlay, power), DASH elsewhere, whichever exists otherwise;
 * a plain file where there is neither. Null when there is nothing to play.
 */
export function chooseFormat(sources: PlayerConfig["sources"], wanted?: Format): Format | null {
  if (wanted && sources[wanted]) return wanted;
  if (sources.hls && (isAppleWebKit() || !sources.dash)) return "hls";
  if (sources.dash) return "dash";
  return sources.mp4 ? "mp4" : null;
}

export class Engine extends EventTarget {
  player: shaka.Player | null = null;
  format: Format | null = null;

  #choice = new ViewerChoice();
  #library: Promise<Shaka> | null = null;
  /** What the element itself plays, without a manifest; null while the library feeds it. */
  #file: string | null = null;
  /** True until that file can be played: who called `load()` is told of a failure, nobody else. */
  #opening = false;
  #generation = 0;

  constructor(
    readonly video: HTMLVideoElement,
    readonly container: HTMLElement,
  ) {
    super();
  }

  /** Fetches the library without using it, so that play starts sooner. */
  async warm(): Promise<Shaka> {
    this.#library ??= import("shaka-player/dist/shaka-player.compiled-es2021.js").then(({ default: library }) => {
      library.polyfill.installAll();
      return library;
    });
    try {
      return await this.#library;
    } catch (error) {
      this.#library = null; // a lost connection must not make retry impossible
      throw error;
    }
  }

  /**
   * Loads the sources at a position in seconds. A second call replaces what plays.
   * Rejects with a library error that `errors.describe` understands.
   */
  async load(config: PlayerConfig, at_s: number, wanted?: Format): Promise<void> {
    const turn = ++this.#generation;
    const library = await this.warm();
    if (turn !== this.#generation) return;
    if (!this.player) await this.#create(library);
    // The same files stand in the manifest, but an HLS caption that is turned on after the last segment was fetched
    // is never shown: the library waits for the next one's times. While a stream grows there is a next one.
    const growing = !config.complete && !config.sources.dash;
    this.player?.configure("manifest.disableText", config.captions.length > 0 && !growing);
    const formats: Format[] = [];
    const first = chooseFormat(config.sources, wanted);
    if (first) formats.push(first);
    for (const other of ["dash", "hls"] as const) {
      if (!wanted && other !== first && config.sources[other]) formats.push(other);
    }
    let failure: unknown = new Error("no source");
    for (const format of formats) {
      const url = config.sources[format] ?? "";
      this.#file = format === "mp4" ? url : null;
      try {
        this.format = format;
        this.#opening = this.#file !== null;
        if (this.#opening) this.#takeFile();
        await this.player?.load(url, at_s, this.#file === null ? undefined : "video/mp4");
        if (turn !== this.#generation) return;
        this.#opening = false;
        if (this.player) this.#choice.restore(this.player);
        await this.#addCaptions(config.captions);
        this.dispatchEvent(new Event("tracks"));
        return;
      } catch (error) {
        if (isShakaError(error) && error.code === LOAD_INTERRUPTED) return;
        failure = await whyUnreadable(error, this.#file);
        if (turn !== this.#generation) return;
        // a refusal or a lost network is the same in the other format; only what the format says is not
        if (isShakaError(failure) && failure.category === 1) break;
      }
    }
    throw failure;
  }

  /** A plain file is fetched by the element itself, once it is loaded: as captions, which may lie elsewhere, are. */
  #takeFile(): void {
    this.video.crossOrigin = "anonymous";
    this.video.preload = "auto";
  }

  async #create(library: Shaka): Promise<void> {
    if (!library.Player.isBrowserSupported()) throw new Error("Media Source Extensions are missing");
    const player = new library.Player();
    player.setVideoContainer(this.container);
    await player.attach(this.video);
    player.configure({
      manifest: {
        // A growing EVENT playlist is no live stream: what is listed can be played up to its end. 0 would mean "default".
        defaultPresentationDelay: 0.1,
        hls: {
          // Our segments carry their true times. The library would compare the playlist's times with those of
          // decoding, which lead by some frames where frames are reordered, and part the picture from the sound.
          ignoreManifestTimestampsInSegmentsMode: true,
        },
      },
      streaming: {
        preferNativeHls: isAppleWebKit(),
        bufferingGoal: 30,
        rebufferingGoal: 1,
        bufferBehind: 60,
        retryParameters: { maxAttempts: 4, baseDelay: 500, backoffFactor: 2, fuzzFactor: 0.3, timeout: 30_000 },
      },
      // begin with a rung that a phone network carries, then climb
      abr: { defaultBandwidthEstimate: 1_500_000 },
    });
    for (const name of ["error", "adaptation", "variantchanged", "trackschanged", "audiotrackschanged", "textchanged", "buffering"]) {
      player.addEventListener(name, (event: Event) => {
        if (name === "error") {
          const file = this.#file;
          if (this.#opening) return;
          void whyUnreadable((event as CustomEvent).detail, file).then((detail) => {
            if (file === this.#file) this.dispatchEvent(new CustomEvent("failure", { detail }));
          });
        } else if (name === "buffering") {
          this.dispatchEvent(new Event("buffering"));
        } else {
          this.dispatchEvent(new Event("tracks"));
        }
      });
    }
    this.player = player;
  }

  async #addCaptions(captions: Caption[]): Promise<void> {
    const player = this.player;
    if (!player) return;
    const known = new Set(player.getTextTracks().map((track) => track.language));
    for (const caption of captions) {
      if (known.has(caption.language)) continue;
      try {
        const url = new URL(caption.url, document.baseURI).href;
        await player.addTextTrackAsync(url, caption.language, "subtitles", "text/vtt", undefined, caption.label);
      } catch {
        // captions are an extra: a missing file, or a stream still growing, must not stop the picture
      }
    }
  }

  /** True while the library holds the picture until it has enough data. */
  get starving(): boolean {
    return this.player?.isBuffering() ?? false;
  }

  /** True while the playlist still grows: the end is not the end. */
  get growing(): boolean {
    // in progress: an EVENT playlist without its end
    return this.player !== null && (this.player.isLive() || this.player.isInProgress());
  }

  /** What can be sought to, in seconds. */
  range(): { start: number; end: number } {
    const range = this.player?.seekRange();
    if (range && range.end > range.start) return range;
    const duration = this.video.duration;
    return { start: 0, end: Number.isFinite(duration) ? duration : 0 };
  }

  /** The speed asked for. The element itself says 0 while the library waits for data. */
  get rate(): number {
    return this.video.defaultPlaybackRate;
  }

  set rate(value: number) {
    this.video.defaultPlaybackRate = value; // survives a change of source
    this.video.playbackRate = value;
  }

  seek(to_s: number): void {
    const { start, end } = this.range();
    const last = this.growing ? Math.max(start, end - EDGE_S) : end;
    this.video.currentTime = Math.min(Math.max(to_s, start), last);
  }

  /** Heights that can be chosen, best first; empty when there is no choice. Labels use the short side ("720p"). */
  qualities(): Choice<number>[] {
    const sides = new Map<number, boolean>();
    for (const track of this.player?.getVideoTracks() ?? []) {
      const side = shortSide(track);
      if (side) sides.set(side, (sides.get(side) ?? false) || track.active);
    }
    return [...sides].sort(([a], [b]) => b - a).map(([value, active]) => ({ value, label: `${value}p`, active }));
  }

  get automatic(): boolean {
    return this.player?.getConfiguration().abr.enabled ?? true;
  }

  /** Fixes the picture height; null gives the choice back to the network. */
  setQuality(side: number | null): void {
    if (!this.player) return;
    this.#choice.fixSide(this.player, side);
    this.dispatchEvent(new Event("tracks"));
  }

  audioTracks(): Choice<shaka.extern.AudioTrack>[] {
    return (this.player?.getAudioTracks() ?? []).map((track) => ({
      value: track,
      label: track.label || languageName(track.language),
      active: track.active,
    }));
  }

  setAudio(track: shaka.extern.AudioTrack): void {
    if (!this.player) return;
    this.#choice.chooseSound(this.player, track);
    this.dispatchEvent(new Event("tracks"));
  }

  textTracks(): Choice<shaka.extern.TextTrack>[] {
    return (this.player?.getTextTracks() ?? []).map((track) => ({
      value: track,
      label: track.label || languageName(track.language),
      active: track.active,
    }));
  }

  setText(track: shaka.extern.TextTrack | null): void {
    this.player?.selectTextTrack(track);
    this.dispatchEvent(new Event("tracks"));
  }

  /** What is on the screen now; zeros before the first frame. */
  rendition(): { height: number; width: number; bitrate_bps: number; codecs: string; dropped: number; decoded: number } {
    const stats = this.player?.getStats();
    const number = (value: number | undefined): number => (Number.isFinite(value) ? Math.round(value ?? 0) : 0);
    return {
      height: this.video.videoHeight,
      width: this.video.videoWidth,
      bitrate_bps: number(stats?.streamBandwidth),
      codecs: stats?.currentCodecs ?? "",
      dropped: number(stats?.droppedFrames),
      decoded: number(stats?.decodedFrames),
    };
  }

  /** Seconds from one frame to the next, of the rendition that plays. */
  get frame_s(): number {
    const rate = this.player?.getVideoTracks().find((track) => track.active)?.frameRate;
    return 1 / (rate || 30);
  }
}
