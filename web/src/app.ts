/** The player: ties engine, interface, beacons and configuration together. One per page. */
import type shaka from "shaka-player/dist/shaka-player.compiled-es2021.js";
import { Activity } from "./activity";
import { Beacons } from "./beacons";
import { Bridge } from "./bridge";
import { Commands } from "./commands";
import type { AddressOptions, Format, PlayerConfig } from "./config";
import { Controls } from "./controls";
import { el, show } from "./dom";
import { chooseFormat, Engine } from "./engine";
import { keepFocus } from "./focus";
import { GenerationSwitch } from "./generation_switch";
import { Help } from "./help";
import { chooseStrings, type Strings } from "./i18n";
import { listenMedia } from "./media_events";
import { markChapter, wirePage } from "./page";
import { readPreferences } from "./prefs";
import { Recovery } from "./recovery";
import { Bookmark, placeOf } from "./resume";
import { type Phase, Stage } from "./stage";
import { listenSurface } from "./surface";
import { applyTheme } from "./theme";
import { ConfigWatcher } from "./watch_config";
import { wave } from "./wave";

export class App {
  /** What the page may know of the player; see `Window.polycast`. */
  readonly handle: { player: shaka.Player | null; video: HTMLVideoElement; format: Format | null; config: PlayerConfig; impression: string };
  readonly strings: Strings;
  readonly language: string;
  readonly video: HTMLVideoElement;
  readonly engine: Engine;
  readonly stage: Stage;
  readonly controls: Controls;
  readonly help: Help;
  readonly beacons: Beacons;
  readonly watcher: ConfigWatcher;
  readonly bridge: Bridge;
  /** Where the viewer is, for the next visit; null where nothing is remembered. */
  readonly bookmark: Bookmark | null = null;
  readonly activity: Activity;
  readonly commands: Commands;
  readonly generations: GenerationSwitch;
  readonly recovery: Recovery;

  config: PlayerConfig;
  phase: Phase = "idle";
  /** The engine has the sources of `config`. */
  loaded = false;
  /** The picture has moved, or was asked to. */
  started = false;
  /** The last word of viewer or page, play or pause. While sources change, the element itself says paused. */
  wanted = false;
  /** Seconds at which the next load begins. */
  startAt: number;
  /** Muted by the page or the browser, not by the viewer: no wish to remember. */
  silenced = false;
  #wave: (share: number) => void = () => undefined;

  constructor(
    private readonly root: HTMLElement,
    config: PlayerConfig,
    private readonly address: AddressOptions,
  ) {
    const { format: _format, ...start } = address;
    this.config = { ...config, start: { ...config.start, ...start } };
    ({ strings: this.strings, language: this.language } = chooseStrings(config.theme.language));
    this.startAt = this.config.start.at_s;
    if (this.config.start.resume && !config.asset.live) {
      this.bookmark = new Bookmark(config.asset.code);
      if (address.at_s === undefined && !this.startAt) this.startAt = placeOf(config.asset.code);
    }
    this.video = el("video", { class: "pc-video", playsinline: true, preload: "none", tabindex: "-1" });
    this.video.setAttribute("aria-label", config.asset.title);
    this.engine = new Engine(this.video, root);
    this.stage = new Stage(this.strings, root.querySelector<HTMLImageElement>("img.pc-poster"));
    this.activity = new Activity(root, this);
    this.commands = new Commands(root, this);
    this.controls = new Controls(this.engine, this.commands.bar(), this.strings, this.language, (open) => {
      root.classList.toggle("has-menu", open);
      this.activity.wake();
    });
    this.help = new Help(this.strings);
    this.generations = new GenerationSwitch(this);
    this.recovery = new Recovery(this);
    this.watcher = new ConfigWatcher(this.config, (news) => this.#onNews(news));
    this.beacons = new Beacons(this.config, this.engine);
    this.bridge = new Bridge(this.engine, {
      play: () => void this.play(),
      pause: () => this.pause(),
      seek: (to) => this.seek(to),
      mute: (muted) => (this.video.muted = muted),
      volume: (value) => (this.video.volume = Math.min(Math.max(value, 0), 1)),
      duration: () => this.duration,
    });
    const app = this;
    this.handle = {
      video: this.video,
      get player() {
        return app.engine.player;
      },
      get format() {
        return app.engine.format ?? chooseFormat(app.config.sources, address.format);
      },
      get config() {
        return app.config;
      },
      impression: this.beacons.impression,
    };
    this.#build();
    listenMedia(root, this);
    listenSurface(root, this);
  }

  /** Shows the first state; called once, after the handle is public. */
  begin(): void {
    this.apply(this.config);
    this.watcher.schedule();
    if (this.config.status === "ready") this.#prepare();
    this.bridge.tell("ready");
  }

  /** As much as the page wants before anybody presses play. */
  #prepare(): void {
    const { autoplay, preload } = this.config.start;
    if (autoplay) void this.play(true);
    else if (preload === "auto") void this.load().catch((error: unknown) => this.recovery.fail(error));
    else if (preload === "metadata") void this.#warm();
  }

  /** Seconds; what is known from the configuration until the media says better. */
  get duration(): number {
    const real = this.video.duration;
    const said = this.config.asset.duration_s ?? 0;
    if (!this.loaded) return said;
    if (this.engine.growing || !Number.isFinite(real)) return Math.max(said, this.engine.range().end);
    return real || said;
  }

  /** Starts or goes on. `byItself`: no gesture stands behind it, so sound may be refused. */
  async play(byItself = false): Promise<void> {
    if (this.phase === "processing") return;
    this.wanted = true;
    this.showState();
    this.beacons.startup();
    try {
      await this.generations.switching;
      if (!this.loaded) {
        this.setPhase("loading");
        this.stage.busy(true);
        await this.load();
      }
      if (this.video.ended) this.video.currentTime = 0;
      this.started = true;
      this.setPhase("active");
      if (this.wanted) await this.video.play();
      else this.beacons.refused();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (error instanceof DOMException && error.name === "NotAllowedError") await this.#refused(byItself);
      else this.recovery.fail(error);
    }
  }

  /** The browser refused sound without a gesture: try silently, else wait for a click. */
  async #refused(byItself: boolean): Promise<void> {
    const { video, stage, strings } = this;
    if (byItself && !video.muted) {
      this.silenced = true;
      video.muted = true;
      try {
        await video.play();
        const { silent, unmute, later } = strings;
        stage.notice(silent, { label: unmute, choose: () => (video.muted = false), later }, 12_000);
        return;
      } catch {
        video.muted = false;
      }
    }
    this.beacons.refused();
    this.wanted = this.started = false;
    this.showState();
    this.setPhase("idle");
    stage.notice(strings.autoplayBlocked);
  }

  pause(): void {
    this.wanted = false;
    this.video.pause();
    this.showState();
  }

  get playing(): boolean {
    return this.settled ? !(this.video.paused || this.video.ended) : this.wanted;
  }

  /** False while sources are being loaded. */
  get settled(): boolean {
    return this.loaded && !this.generations.switching;
  }

  toggle(): void {
    if (this.playing) this.pause();
    else void this.play();
  }

  /** Seeks to seconds, at most to either end; before the first play it starts there. */
  seek(to_s: number): void {
    const { engine, generations } = this;
    // to a load, a negative position is one before the end
    to_s = Math.min(Math.max(to_s, 0), this.duration || Infinity);
    if (!this.loaded) {
      this.startAt = to_s;
      void this.play();
      return;
    }
    if (generations.switching) void generations.switching.then(() => engine.seek(to_s));
    else if (generations.waiting && !this.video.paused) generations.take(to_s);
    else engine.seek(to_s);
  }

  /** Gives the engine the sources of the configuration, at `startAt`. Rejects as `Engine.load`. */
  async load(): Promise<void> {
    await this.engine.load(this.config, this.startAt, this.address.format);
    this.loaded = true;
    this.commands.restoreCaptions();
    this.tick();
  }

  /** Fetches code and manifest, no media: a plain file is nothing but media. */
  async #warm(): Promise<void> {
    const format = chooseFormat(this.config.sources, this.address.format);
    const url = format && format !== "mp4" ? this.config.sources[format] : null;
    await Promise.allSettled([this.engine.warm(), url ? fetch(url) : null]);
  }

  /** Takes a configuration and shows what it says; the sources are the next `load`'s. */
  apply(config: PlayerConfig): void {
    this.config = config;
    applyTheme(config.theme);
    this.beacons.configure(config);
    this.stage.configure(config);
    this.controls.configure(config);
    this.root.classList.toggle("no-big", !config.theme.controls.big_play);
    if (config.status === "processing") this.stage.processing(config.message, config.progress);
    if (config.status === "error") this.stage.error(null, config.message);
    if (config.status !== "ready") this.setPhase(config.status);
    else if (this.phase === "processing" || this.phase === "error") this.setPhase("idle");
    else this.setPhase(this.phase);
    this.tick();
  }

  #onNews(news: PlayerConfig): void {
    news = { ...news, start: { ...news.start, ...this.config.start } };
    const was = this.config;
    if (was.status === "processing" && news.status === "ready") {
      this.apply(news);
      const go = (): void => void this.play(true);
      if (document.visibilityState === "visible") go();
      else document.addEventListener("visibilitychange", go, { once: true });
    } else if (this.loaded && news.status === "ready" && news.generation !== was.generation) {
      this.generations.offer(news);
    } else if (!this.loaded || news.status === "ready") {
      this.apply(news);
    }
  }

  setPhase(phase: Phase): void {
    this.phase = phase;
    this.root.dataset.phase = phase;
    this.root.classList.toggle("is-started", this.started);
    this.stage.phase(phase, this.config, this.started);
    const barBefore = !this.config.theme.controls.big_play || this.config.asset.kind === "audio";
    show(this.controls.element, phase === "active" || (this.started && phase === "loading") || (barBefore && phase === "idle"));
    this.activity.wake();
  }

  #build(): void {
    const { root, stage, video } = this;
    root.replaceChildren(video, stage.poster, stage.overlay, this.controls.element, this.help.element, stage.live);
    root.setAttribute("role", "region");
    root.lang = this.language;
    keepFocus(root);
    const name = this.config.asset.kind === "audio" ? this.strings.audioPlayer : this.strings.player;
    root.setAttribute("aria-label", `${name}: ${this.config.asset.title}`);
    if (this.config.asset.kind === "audio") {
      const { element, draw } = wave(this.config.asset.code);
      stage.overlay.append(element);
      this.#wave = draw;
    }
    const kept = readPreferences();
    video.volume = kept.volume ?? 1;
    video.muted = this.config.start.muted || (kept.muted ?? false);
    this.silenced = this.config.start.muted && !kept.muted;
    video.loop = this.config.start.loop;
    this.controls.sound(video.volume, video.muted);
    this.controls.state(true, false);
    stage.big.addEventListener("click", () => void this.play());
    wirePage(this.strings, (to) => this.seek(to));
  }

  /** Shows whether it plays. */
  showState(): void {
    this.controls.state(!this.playing, this.video.ended);
    this.root.classList.toggle("is-paused", !this.playing);
  }

  /** Shows where playback is. */
  tick(): void {
    const now = this.loaded ? this.video.currentTime : this.startAt;
    this.controls.time(now, this.duration);
    this.#wave(this.duration > 0 ? now / this.duration : 0);
    markChapter(this.config, now);
  }
}
