/** The player: ties engine, interface, beacons and configuration together. One per page. */
import type shaka from "shaka-player/dist/shaka-player.compiled-es2021.js";
import { Beacons } from "./beacons";
import { Bridge } from "./bridge";
import type { AddressOptions, Format, PlayerConfig } from "./config";
import { Controls, SPEEDS } from "./controls";
import { el, show } from "./dom";
import { chooseFormat, Engine } from "./engine";
import { describe, isShakaError } from "./errors";
import { freezeFrame } from "./freeze";
import { listenGestures } from "./gestures";
import { Help } from "./help";
import { chooseStrings, fill, type Strings } from "./i18n";
import { listenKeys } from "./keyboard";
import { markChapter, wirePage } from "./page";
import { keep, readPreferences } from "./prefs";
import { Bookmark, placeOf } from "./resume";
import { enterFullscreen, leaveFullscreen } from "./screen";
import { type Phase, Stage } from "./stage";
import { applyTheme } from "./theme";
import { wave } from "./wave";
import { ConfigWatcher } from "./watch_config";

/** The bar goes away after this long without a pointer or key while playing. */
const IDLE_MS = 2600;
/** A short stall is not worth a spinner. */
const SPINNER_MS = 250;

export class App {
  readonly handle: { player: shaka.Player | null; video: HTMLVideoElement; format: Format | null; config: PlayerConfig; impression: string };
  #config: PlayerConfig;
  #strings: Strings;
  #language: string;
  #engine: Engine;
  #stage: Stage;
  #controls: Controls;
  #beacons: Beacons;
  #watcher: ConfigWatcher;
  #bridge: Bridge;
  /** Where the viewer is, for the next visit; null where nothing is remembered. */
  #bookmark: Bookmark | null = null;
  #help: Help;
  #video: HTMLVideoElement;
  #phase: Phase = "idle";
  #loaded = false;
  #started = false;
  #startAt: number;
  /** A generation that waits to be switched to. */
  #better: PlayerConfig | null = null;
  /** Settles when a switch of generations under way is done. */
  #switching: Promise<void> | null = null;
  #refreshed = false;
  /** Muted by the page or the browser, not by the viewer: no wish to remember. */
  #silenced = false;
  #idleTimer = 0;
  #spinnerTimer = 0;
  #wave: (share: number) => void = () => undefined;

  constructor(
    private readonly root: HTMLElement,
    config: PlayerConfig,
    private readonly address: AddressOptions,
  ) {
    const { format: _format, ...start } = address;
    this.#config = { ...config, start: { ...config.start, ...start } };
    ({ strings: this.#strings, language: this.#language } = chooseStrings(config.theme.language));
    this.#startAt = this.#config.start.at_s;
    if (this.#config.start.resume && !config.asset.live) {
      this.#bookmark = new Bookmark(config.asset.code);
      if (address.at_s === undefined && !this.#startAt) this.#startAt = placeOf(config.asset.code);
    }
    this.#video = el("video", { class: "pc-video", playsinline: true, preload: "none", tabindex: "-1" });
    this.#video.setAttribute("aria-label", config.asset.title);
    this.#engine = new Engine(this.#video, root);
    this.#stage = new Stage(this.#strings, root.querySelector<HTMLImageElement>("img.pc-poster"));
    this.#controls = new Controls(this.#engine, this.#actions(), this.#strings, this.#language, (open) => {
      root.classList.toggle("has-menu", open);
      this.#wake();
    });
    this.#help = new Help(this.#strings);
    this.#watcher = new ConfigWatcher(this.#config, (news) => this.#onNews(news));
    this.#beacons = new Beacons(this.#config, this.#engine);
    this.#bridge = new Bridge(this.#engine, {
      play: () => void this.play(),
      pause: () => this.#video.pause(),
      seek: (to) => this.seek(to),
      mute: (muted) => (this.#video.muted = muted),
      volume: (value) => (this.#video.volume = Math.min(Math.max(value, 0), 1)),
      duration: () => this.duration,
    });
    const { engine, video, app } = { engine: this.#engine, video: this.#video, app: this };
    this.handle = {
      video,
      get player() {
        return engine.player;
      },
      get format() {
        return engine.format ?? chooseFormat(app.#config.sources, address.format);
      },
      get config() {
        return app.#config;
      },
      impression: this.#beacons.impression,
    };
    this.#build();
    this.#listen();
  }

  /** Shows the first state; called once, after the handle is public. */
  begin(): void {
    this.#apply(this.#config);
    this.#watcher.schedule();
    if (this.#config.status !== "ready") return;
    const { autoplay, preload } = this.#config.start;
    if (autoplay) void this.play(true);
    else if (preload === "auto") void this.#load().catch((error: unknown) => this.#fail(error));
    else if (preload === "metadata") void this.#warm();
    this.#bridge.tell("ready");
  }

  /** Seconds; what is known from the configuration until the media says better. */
  get duration(): number {
    const real = this.#video.duration;
    const said = this.#config.asset.duration_s ?? 0;
    if (!this.#loaded) return said;
    if (this.#engine.growing || !Number.isFinite(real)) return Math.max(said, this.#engine.range().end);
    return real || said;
  }

  /** Starts or goes on. `byItself`: no gesture stands behind it, so sound may be refused. */
  async play(byItself = false): Promise<void> {
    if (this.#phase === "processing") return;
    this.#beacons.startup();
    try {
      await this.#switching;
      if (!this.#loaded) {
        this.#setPhase("loading");
        this.#stage.busy(true);
        await this.#load();
      }
      if (this.#video.ended) this.#video.currentTime = 0;
      this.#started = true;
      this.#setPhase("active");
      await this.#video.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      if (error instanceof DOMException && error.name === "NotAllowedError") await this.#refused(byItself);
      else this.#fail(error);
    }
  }

  /** The browser refused sound without a gesture: try silently, else wait for a click. */
  async #refused(byItself: boolean): Promise<void> {
    if (byItself && !this.#video.muted) {
      this.#silenced = true;
      this.#video.muted = true;
      try {
        await this.#video.play();
        const { silent, unmute, later } = this.#strings;
        this.#stage.notice(silent, { label: unmute, choose: () => (this.#video.muted = false), later }, 12_000);
        return;
      } catch {
        this.#video.muted = false;
      }
    }
    this.#beacons.refused();
    this.#started = false;
    this.#setPhase("idle");
    this.#stage.notice(this.#strings.autoplayBlocked);
  }

  toggle(): void {
    if (this.#video.paused || this.#video.ended) void this.play();
    else this.#video.pause();
  }

  /** Seeks to seconds; before the first play it starts there. */
  seek(to_s: number): void {
    if (!this.#loaded) {
      this.#startAt = Math.max(0, to_s);
      void this.play();
      return;
    }
    if (this.#switching) void this.#switching.then(() => this.#engine.seek(to_s));
    else if (this.#better && !this.#video.paused) this.#switch(to_s);
    else this.#engine.seek(to_s);
  }

  async #load(): Promise<void> {
    await this.#engine.load(this.#config, this.#startAt, this.address.format);
    this.#loaded = true;
    this.#restoreCaptions();
    this.#tick();
  }

  /** Fetches code and manifest, no media. */
  async #warm(): Promise<void> {
    const format = chooseFormat(this.#config.sources, this.address.format);
    const url = format ? this.#config.sources[format] : null;
    await Promise.allSettled([this.#engine.warm(), url ? fetch(url) : null]);
  }

  #apply(config: PlayerConfig): void {
    this.#config = config;
    applyTheme(config.theme);
    this.#beacons.configure(config);
    this.#stage.configure(config);
    this.#controls.configure(config);
    this.root.classList.toggle("no-big", !config.theme.controls.big_play);
    if (config.status === "processing") this.#stage.processing(config.message, config.progress);
    if (config.status === "error") this.#stage.error(null, config.message);
    if (config.status !== "ready") this.#setPhase(config.status);
    else if (this.#phase === "processing" || this.#phase === "error") this.#setPhase("idle");
    else this.#setPhase(this.#phase);
    this.#tick();
  }

  #onNews(news: PlayerConfig): void {
    news = { ...news, start: { ...news.start, ...this.#config.start } };
    const was = this.#config;
    if (was.status === "processing" && news.status === "ready") {
      this.#apply(news);
      const go = (): void => void this.play(true);
      if (document.visibilityState === "visible") go();
      else document.addEventListener("visibilitychange", go, { once: true });
    } else if (this.#loaded && news.status === "ready" && news.generation !== was.generation) {
      this.#offer(news);
    } else if (!this.#loaded || news.status === "ready") {
      this.#apply(news);
    }
  }

  /** Better tracks exist: at once when nobody would notice, else offered and done at the next pause or seek. */
  #offer(news: PlayerConfig): void {
    this.#better = news;
    if (this.#video.paused || this.#video.ended) {
      this.#switch();
      return;
    }
    this.#stage.notice(
      this.#strings.better,
      { label: this.#strings.switchNow, choose: () => this.#switch(), later: this.#strings.later },
      15_000,
    );
  }

  #switch(to_s = this.#video.currentTime): void {
    const news = this.#better;
    if (!news) return;
    this.#better = null;
    this.#switching = this.#replace(news, to_s).finally(() => (this.#switching = null));
  }

  async #replace(news: PlayerConfig, to_s: number): Promise<void> {
    const playing = !this.#video.paused;
    const { rate } = this.#engine;
    const thaw = freezeFrame(this.#video);
    this.#stage.hideNotice();
    this.#beacons.enter("switch");
    this.#apply(news);
    this.#startAt = to_s;
    try {
      await this.#load();
      this.#engine.rate = rate;
      if (playing) {
        await this.#video.play();
        this.#stage.notice(this.#strings.switched, undefined, 2500);
      }
      this.#beacons.enter(playing ? "playing" : "pause");
    } catch (error) {
      this.#fail(error);
    } finally {
      thaw();
    }
  }

  #fail(error: unknown): void {
    const failure = describe(error);
    // An access token may have run out: a fresh configuration brings a new one, once per trouble.
    if ((failure.kind === "forbidden" || failure.kind === "gone") && !this.#refreshed && this.#config.config_url) {
      this.#refreshed = true;
      void this.#reload();
      return;
    }
    this.#beacons.failed(failure);
    this.#bridge.tell("error", { error: { kind: failure.kind, code: failure.code } });
    this.#stage.error(failure, null);
    this.#setPhase("error");
  }

  /** Takes everything anew at the place where it stopped. */
  async #reload(): Promise<void> {
    this.#startAt = this.#started ? this.#video.currentTime || this.#startAt : this.#startAt;
    this.#loaded = false;
    this.#setPhase("loading");
    this.#stage.busy(true);
    const news = await this.#watcher.refresh();
    this.#config = { ...news, start: this.#config.start };
    if (news.status === "ready") await this.play();
    else this.#apply(this.#config);
  }

  #setPhase(phase: Phase): void {
    this.#phase = phase;
    this.root.dataset.phase = phase;
    this.root.classList.toggle("is-started", this.#started);
    this.#stage.phase(phase, this.#config, this.#started);
    const barBefore = !this.#config.theme.controls.big_play || this.#config.asset.kind === "audio";
    show(this.#controls.element, phase === "active" || (this.#started && phase === "loading") || (barBefore && phase === "idle"));
    this.#wake();
  }

  #build(): void {
    const { root } = this;
    root.replaceChildren(this.#video, this.#stage.poster, this.#stage.overlay, this.#controls.element, this.#help.element, this.#stage.live);
    root.setAttribute("role", "region");
    const name = this.#config.asset.kind === "audio" ? this.#strings.audioPlayer : this.#strings.player;
    root.setAttribute("aria-label", `${name}: ${this.#config.asset.title}`);
    if (this.#config.asset.kind === "audio") {
      const { element, draw } = wave(this.#config.asset.code);
      this.#stage.overlay.append(element);
      this.#wave = draw;
    }
    const kept = readPreferences();
    this.#video.volume = kept.volume ?? 1;
    this.#video.muted = this.#config.start.muted || (kept.muted ?? false);
    this.#silenced = this.#config.start.muted && !kept.muted;
    this.#video.loop = this.#config.start.loop;
    this.#controls.sound(this.#video.volume, this.#video.muted);
    this.#controls.state(true, false);
    this.#stage.onRetry = () => {
      this.#refreshed = true;
      void this.#reload();
    };
    this.#stage.big.addEventListener("click", () => void this.play());
    wirePage(this.#strings, (to) => this.seek(to));
  }

  #actions(): ConstructorParameters<typeof Controls>[1] {
    const say = (text: string): void => this.#stage.say(text);
    return {
      toggle: () => this.toggle(),
      seek: (to) => this.seek(to),
      mute: (muted) => {
        this.#video.muted = muted;
        if (!muted && this.#video.volume === 0) this.#video.volume = 0.5;
      },
      volume: (value) => {
        this.#video.volume = value;
        this.#video.muted = value === 0;
      },
      captions: () => this.#toggleCaptions(),
      chooseCaptions: (index) => {
        const track = index === null ? null : (this.#engine.textTracks()[index]?.value ?? null);
        this.#engine.setText(track);
        keep({ captions: track?.language ?? null });
        say(track ? this.#strings.captionsOn : this.#strings.captionsOff);
      },
      speed: (rate) => {
        this.#engine.rate = rate;
        say(`${this.#strings.speed}: ${this.#controls.speedName(rate)}`);
      },
      loop: (on) => (this.#video.loop = on),
      pip: () => void this.#togglePip(),
      airplay: () => (this.#video as HTMLVideoElement & { webkitShowPlaybackTargetPicker?: () => void }).webkitShowPlaybackTargetPicker?.(),
      fullscreen: () => void this.#toggleFullscreen(),
    };
  }

  #toggleCaptions(): void {
    const tracks = this.#engine.textTracks();
    if (!tracks.length) return;
    const on = tracks.some((track) => track.active);
    const wanted = readPreferences().captions ?? this.#language;
    const index = Math.max(0, tracks.findIndex((track) => track.value.language.startsWith(wanted.slice(0, 2))));
    this.#actions().chooseCaptions(on ? null : index);
  }

  #restoreCaptions(): void {
    const wanted = readPreferences().captions;
    const track = wanted ? this.#engine.textTracks().find((choice) => choice.value.language === wanted) : undefined;
    this.#engine.setText(track?.value ?? null);
  }

  async #togglePip(): Promise<void> {
    try {
      if (document.pictureInPictureElement) await document.exitPictureInPicture();
      else if (this.#loaded) await this.#video.requestPictureInPicture();
    } catch {
      // refused by the browser or the embedding page: the button simply does nothing
    }
  }

  async #toggleFullscreen(): Promise<void> {
    if (!this.#config.theme.controls.fullscreen || this.#config.asset.kind === "audio") return;
    if (document.fullscreenElement) await leaveFullscreen();
    else await enterFullscreen(this.root, this.#video);
  }

  #seekBy(delta: number): void {
    if (!this.#loaded) return;
    this.seek(this.#video.currentTime + delta);
    const text = fill(delta > 0 ? this.#strings.forward : this.#strings.rewind, { n: Math.abs(delta) });
    this.#stage.flash(delta > 0 ? "forward" : "rewind", `${Math.abs(delta)} s`);
    this.#stage.say(text);
  }

  #listen(): void {
    const video = this.#video;
    const { root } = this;
    const on = (names: string, listener: () => void): void => {
      for (const name of names.split(" ")) video.addEventListener(name, listener);
    };
    on("timeupdate seeking durationchange progress seeked", () => this.#tick());
    on("timeupdate", () => {
      if (this.#started && !video.paused) this.#bookmark?.keep(video.currentTime, this.duration);
    });
    on("pause ended seeked", () => {
      if (this.#started) this.#bookmark?.keep(video.currentTime, this.duration, true);
    });
    on("play pause ended playing", () => this.#controls.state(video.paused, video.ended));
    on("play seeking", () => {
      root.classList.remove("is-ended");
      if (this.#phase === "active") this.#stage.again(false);
    });
    on("playing", () => {
      this.#refreshed = false;
      if (!this.#engine.starving) this.#moving();
      else this.#starving();
    });
    this.#engine.addEventListener("buffering", () => this.#starving());
    on("pause", () => {
      if (!video.ended && !video.seeking) this.#beacons.enter("pause");
      if (this.#better && !video.ended) this.#switch();
    });
    on("waiting", () => {
      if (this.#started && !video.seeking) this.#beacons.enter(this.#loaded ? "buffering" : "startup");
      this.#busy(true);
    });
    on("seeking", () => {
      if (this.#started) this.#beacons.enter("seek");
    });
    on("seeked", () => {
      // with too little to go on, the seek is not over for the viewer
      if (this.#beacons.state === "seek" && (video.paused || !this.#engine.starving)) this.#beacons.enter(video.paused ? "pause" : "playing");
      if (video.paused) this.#busy(false);
    });
    on("ended", () => {
      this.#beacons.enter("ended");
      root.classList.add("is-ended");
      if (this.#config.theme.controls.big_play && this.#config.asset.kind === "video") this.#stage.again(true);
      this.#stage.say(this.#strings.ended);
    });
    on("play pause ended", () => {
      root.classList.toggle("is-paused", video.paused);
      this.#wake();
    });
    on("volumechange", () => {
      this.#controls.sound(video.volume, video.muted);
      if (!video.muted && this.#silenced) {
        this.#silenced = false;
        this.#stage.hideNotice();
      }
      keep(this.#silenced ? { volume: video.volume } : { volume: video.volume, muted: video.muted });
    });
    on("ratechange", () => this.#controls.tracks());
    on("loadedmetadata resize", () => {
      if (video.videoWidth) root.style.setProperty("--pc-ratio", `${video.videoWidth} / ${video.videoHeight}`);
    });
    on("enterpictureinpicture leavepictureinpicture", () => this.#screen());
    document.addEventListener("fullscreenchange", () => this.#screen());
    this.#engine.addEventListener("tracks", () => this.#controls.tracks());
    this.#engine.addEventListener("failure", (event) => {
      const error: unknown = (event as CustomEvent).detail;
      // severity 1: the library goes on by itself
      if (!(isShakaError(error) && error.severity === 1)) this.#fail(error);
    });
    for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) root.addEventListener(name, () => this.#wake());
    root.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") this.#sleep();
    });
    this.#listenSurface();
    listenKeys(root, this.#keys(), document.documentElement.classList.contains("pc-embed"));
  }

  /** The library stands still until it has enough again, by speed 0: the element itself never says "waiting". */
  #starving(): void {
    const { video } = this.#engine;
    if (!this.#started || this.#switching || video.paused || video.ended) return;
    if (this.#engine.starving) {
      if (!video.seeking && this.#beacons.state !== "seek") this.#beacons.enter("buffering");
      this.#busy(true);
    } else if (!video.seeking && video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) {
      this.#moving();
    }
  }

  #moving(): void {
    this.#busy(false);
    this.#beacons.enter("playing");
  }

  #listenSurface(): void {
    const started = (): boolean => this.#phase === "active";
    listenGestures(this.#video, {
      click: () => {
        if (this.#controls.menu.open) return;
        if (started()) this.toggle();
      },
      doubleClick: () => void this.#toggleFullscreen(),
      tap: () => {
        if (!started()) return;
        if (this.root.classList.contains("is-asleep")) this.#wake();
        else if (!this.#video.paused) this.#sleep();
      },
      doubleTap: (side) => this.#seekBy(side === "left" ? -10 : 10),
      doubleTapOn: () => this.#config.theme.controls.double_tap && this.#loaded,
    });
    this.#stage.poster.addEventListener("click", () => {
      if (this.#phase === "idle") void this.play();
    });
  }

  #keys(): Parameters<typeof listenKeys>[1] {
    const video = this.#video;
    const ready = (act: () => void) => (): void => {
      if (this.#phase === "idle" || this.#phase === "active") act();
    };
    return {
      toggle: ready(() => {
        this.#stage.flash(video.paused ? "play" : "pause");
        this.toggle();
      }),
      seekBy: (delta) => this.#seekBy(delta),
      seekShare: (share) => {
        if (this.#loaded) this.seek(share * this.duration);
      },
      end: () => {
        if (this.#loaded) this.seek(this.duration);
      },
      volumeBy: (delta) => {
        video.muted = false;
        video.volume = Math.round(Math.min(Math.max(video.volume + delta, 0), 1) * 100) / 100;
        this.#stage.say(`${this.#strings.volume} ${Math.round(video.volume * 100)} %`);
      },
      toggleMute: () => (video.muted = !video.muted),
      fullscreen: () => void this.#toggleFullscreen(),
      captions: () => this.#toggleCaptions(),
      pip: () => {
        if (this.#config.theme.controls.picture_in_picture) void this.#togglePip();
      },
      frameStep: (step) => {
        if (this.#loaded && video.paused) this.#engine.seek(video.currentTime + step * this.#engine.frame_s);
      },
      help: () => this.#help.toggle(),
      speedStep: (step) => {
        const at = SPEEDS.findIndex((speed) => speed >= this.#engine.rate);
        const next = SPEEDS[Math.min(Math.max(at + step, 0), SPEEDS.length - 1)] ?? 1;
        this.#engine.rate = next;
        this.#stage.notice(`${this.#strings.speed}: ${this.#controls.speedName(next)}`, undefined, 1200);
      },
    };
  }

  #tick(): void {
    const now = this.#loaded ? this.#video.currentTime : this.#startAt;
    this.#controls.time(now, this.duration);
    this.#wave(this.duration > 0 ? now / this.duration : 0);
    markChapter(this.#config, now);
  }

  #busy(on: boolean): void {
    window.clearTimeout(this.#spinnerTimer);
    if (!on) this.#stage.busy(false);
    else this.#spinnerTimer = window.setTimeout(() => this.#stage.busy(this.#phase === "active" || this.#phase === "loading"), SPINNER_MS);
  }

  #screen(): void {
    this.#controls.screen(document.fullscreenElement === this.root, document.pictureInPictureElement === this.#video);
  }

  #wake(): void {
    this.root.classList.remove("is-asleep");
    window.clearTimeout(this.#idleTimer);
    this.#idleTimer = window.setTimeout(() => this.#sleep(), IDLE_MS);
  }

  /** Hides the bar unless somebody is using it. */
  #sleep(): void {
    const used =
      this.#video.paused ||
      this.#phase !== "active" ||
      this.#config.asset.kind === "audio" ||
      this.#controls.menu.open ||
      this.#help.open ||
      this.#controls.seekBar.dragging ||
      this.#controls.element.matches(":has(:focus-visible)");
    this.root.classList.toggle("is-asleep", !used);
  }
}
