/** The control bar: each flag of the theme shows or removes exactly one thing. */
import type { PlayerConfig } from "./config";
import { el, iconButton, setIcon, setLabel, show } from "./dom";
import type { Choice, Engine } from "./engine";
import { fill, type Strings } from "./i18n";
import { type Entry, Menu } from "./menu";
import { SeekBar } from "./seekbar";
import { clock } from "./time";

export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];

/** What the bar asks the player to do. */
export interface Actions {
  toggle(): void;
  seek(to_s: number): void;
  mute(muted: boolean): void;
  volume(value: number): void;
  captions(): void;
  chooseCaptions(index: number | null): void;
  speed(rate: number): void;
  loop(on: boolean): void;
  pip(): void;
  airplay(): void;
  fullscreen(): void;
}

interface AirPlayVideo extends HTMLVideoElement {
  webkitShowPlaybackTargetPicker?: () => void;
}

export class Controls {
  readonly element: HTMLElement;
  readonly seekBar: SeekBar;
  readonly menu: Menu;
  readonly play: HTMLButtonElement;
  readonly captions: HTMLButtonElement;
  readonly settings: HTMLButtonElement;
  #mute: HTMLButtonElement;
  #volume: HTMLInputElement;
  #volumeBox: HTMLElement;
  #pip: HTMLButtonElement;
  #airplay: HTMLButtonElement;
  #fullscreen: HTMLButtonElement;
  #current = el("span", { class: "pc-time pc-current" });
  #remaining = el("span", { class: "pc-time pc-remaining" });
  #total = el("span", { class: "pc-time pc-total" });
  #config: PlayerConfig | null = null;

  constructor(
    private readonly engine: Engine,
    private readonly actions: Actions,
    private readonly strings: Strings,
    language: string,
    onMenu: (open: boolean) => void,
  ) {
    this.seekBar = new SeekBar(engine, strings, language);
    this.seekBar.onSeek = (to, final) => {
      if (final) actions.seek(to);
      else this.time(engine.video.currentTime, this.#duration);
    };
    this.menu = new Menu(strings.back, onMenu);
    this.play = iconButton("pc-button pc-play", "play", strings.play, "k");
    this.#mute = iconButton("pc-button pc-mute", "volume", strings.mute, "m");
    this.#volume = el("input", { type: "range", class: "pc-volume", min: "0", max: "1", step: "0.05", "aria-label": strings.volume });
    this.#volumeBox = el("div", { class: "pc-sound" }, this.#mute, this.#volume);
    this.captions = iconButton("pc-button pc-captions", "captions", strings.captions, "c");
    this.settings = iconButton("pc-button pc-settings", "settings", strings.settings);
    this.#airplay = iconButton("pc-button pc-airplay", "airplay", strings.airplay);
    this.#pip = iconButton("pc-button pc-pip", "pip", strings.pip, "i");
    this.#fullscreen = iconButton("pc-button pc-fullscreen", "fullscreen", strings.fullscreen, "f");
    for (const opener of [this.captions, this.settings]) {
      opener.setAttribute("aria-haspopup", "menu");
      opener.setAttribute("aria-expanded", "false");
    }
    // dir: time runs from left to right in every script, like the pictures it stands for
    this.element = el(
      "div",
      { class: "pc-bar", role: "group", dir: "ltr" },
      this.play,
      this.#current,
      this.seekBar.element,
      this.#remaining,
      this.#total,
      el("span", { class: "pc-gap" }),
      this.#volumeBox,
      this.captions,
      this.settings,
      this.#airplay,
      this.#pip,
      this.#fullscreen,
      this.menu.element,
    );
    this.#listen();
  }

  #duration = 0;

  configure(config: PlayerConfig): void {
    this.#config = config;
    this.seekBar.configure(config);
    const { controls } = config.theme;
    const video = this.engine.video as AirPlayVideo;
    show(this.play, controls.play_pause);
    show(this.#mute, controls.mute);
    show(this.#volume, controls.volume);
    show(this.#volumeBox, controls.mute || controls.volume);
    show(this.seekBar.element, controls.progress);
    show(this.#current, controls.current_time);
    show(this.#remaining, controls.remaining_time);
    show(this.#total, controls.total_time);
    const isVideo = config.asset.kind === "video";
    show(this.#pip, controls.picture_in_picture && isVideo && document.pictureInPictureEnabled);
    show(this.#airplay, controls.airplay && typeof video.webkitShowPlaybackTargetPicker === "function");
    show(this.#fullscreen, controls.fullscreen && isVideo);
    this.element.classList.toggle("has-seek", controls.progress);
    this.tracks();
  }

  /** Shows a moment, in seconds. */
  time(now: number, duration: number): void {
    this.#duration = duration;
    // 9.98 s is "0:10" to everybody; at the end both times agree
    const whole = Math.round(duration);
    this.#current.textContent = clock(duration > 0 && now >= duration - 0.25 ? whole : now);
    this.#remaining.textContent = `−${clock(Math.max(0, whole - Math.floor(now)))}`;
    this.#total.textContent = clock(whole);
    this.seekBar.update(now, duration);
  }

  state(paused: boolean, ended: boolean): void {
    const { strings } = this;
    setIcon(this.play, ended ? "replay" : paused ? "play" : "pause");
    setLabel(this.play, ended ? strings.replay : paused ? strings.play : strings.pause, "k");
  }

  sound(volume: number, muted: boolean): void {
    const level = muted ? 0 : volume;
    setIcon(this.#mute, level === 0 ? "muted" : level < 0.5 ? "volumeLow" : "volume");
    setLabel(this.#mute, level === 0 ? this.strings.unmute : this.strings.mute, "m");
    this.#volume.value = String(level);
    this.#volume.style.setProperty("--level", `${level * 100}%`);
    this.#volume.setAttribute("aria-valuetext", `${Math.round(level * 100)} %`);
  }

  screen(fullscreen: boolean, pip: boolean): void {
    setIcon(this.#fullscreen, fullscreen ? "shrink" : "fullscreen");
    setLabel(this.#fullscreen, fullscreen ? this.strings.fullscreenExit : this.strings.fullscreen, "f");
    setLabel(this.#pip, pip ? this.strings.pipExit : this.strings.pip, "i");
    this.#pip.setAttribute("aria-pressed", String(pip));
  }

  /** Follows the tracks that exist now. */
  tracks(): void {
    const config = this.#config;
    if (!config) return;
    const texts = this.engine.textTracks();
    show(this.captions, config.theme.controls.captions && texts.length > 0);
    const on = texts.some((track) => track.active);
    this.captions.classList.toggle("is-on", on);
    const several = texts.length > 1;
    if (several) {
      this.captions.setAttribute("aria-haspopup", "menu");
      this.captions.removeAttribute("aria-pressed");
      if (!this.captions.hasAttribute("aria-expanded")) this.captions.setAttribute("aria-expanded", "false");
    } else {
      this.captions.removeAttribute("aria-haspopup");
      this.captions.removeAttribute("aria-expanded");
      this.captions.setAttribute("aria-pressed", String(on));
    }
    show(this.settings, config.theme.controls.settings && this.#entries().length > 0);
    this.menu.refresh();
  }

  openCaptions(): void {
    this.menu.show(this.captions, this.strings.captions, () => this.#entries(true), "captions");
  }

  #entries(forCaptions = false): Entry[] {
    const config = this.#config;
    const { engine, strings, actions } = this;
    if (!config) return [];
    const { settings } = config.theme;
    const entries: Entry[] = [];
    const qualities = engine.qualities();
    if (settings.quality && qualities.length > 1) {
      const playing = qualities.find((choice) => choice.active)?.label ?? "";
      const auto = engine.automatic;
      entries.push({
        id: "quality",
        label: strings.quality,
        value: auto ? `${strings.auto}${playing ? ` · ${playing}` : ""}` : playing,
        options: [
          { label: strings.auto, hint: auto ? playing : "", checked: auto, choose: () => engine.setQuality(null) },
          ...qualities.map((choice) => ({
            label: choice.label,
            checked: !auto && choice.active,
            choose: () => engine.setQuality(choice.value),
          })),
        ],
      });
    }
    const named = <T>(choices: Choice<T>[]): Choice<T>[] =>
      choices.map((choice, i) => ({ ...choice, label: choice.label || fill(strings.track, { n: i + 1 }) }));
    const audios = named(engine.audioTracks());
    if (audios.length > 1) {
      entries.push({
        id: "audio",
        label: strings.audio,
        value: audios.find((choice) => choice.active)?.label ?? "",
        options: audios.map((choice) => ({ label: choice.label, checked: choice.active, choose: () => engine.setAudio(choice.value) })),
      });
    }
    const texts = named(engine.textTracks());
    if (texts.length && (settings.captions || forCaptions)) {
      const active = texts.findIndex((choice) => choice.active);
      entries.push({
        id: "captions",
        label: strings.captions,
        value: texts[active]?.label ?? strings.off,
        options: [
          { label: strings.off, checked: active < 0, choose: () => actions.chooseCaptions(null) },
          ...texts.map((choice, i) => ({ label: choice.label, checked: choice.active, choose: () => actions.chooseCaptions(i) })),
        ],
      });
    }
    if (settings.speed) {
      const rate = engine.rate;
      entries.push({
        id: "speed",
        label: strings.speed,
        value: this.speedName(rate),
        options: SPEEDS.map((speed) => ({ label: this.speedName(speed), checked: speed === rate, choose: () => actions.speed(speed) })),
      });
    }
    if (settings.loop) {
      entries.push({ id: "loop", label: strings.loop, checked: engine.video.loop, toggle: () => actions.loop(!engine.video.loop) });
    }
    return entries;
  }

  speedName(rate: number): string {
    return rate === 1 ? this.strings.normal : fill("{n}×", { n: rate.toLocaleString(undefined, { maximumFractionDigits: 2 }) });
  }

  #listen(): void {
    const { actions } = this;
    this.play.addEventListener("click", () => actions.toggle());
    this.#mute.addEventListener("click", () => actions.mute(!this.engine.video.muted && this.engine.video.volume > 0));
    this.#volume.addEventListener("input", () => actions.volume(Number(this.#volume.value)));
    this.captions.addEventListener("click", () => {
      if (this.engine.textTracks().length > 1) this.openCaptions();
      else actions.captions();
    });
    this.settings.addEventListener("click", () => this.menu.show(this.settings, this.strings.settings, () => this.#entries()));
    this.#airplay.addEventListener("click", () => actions.airplay());
    this.#pip.addEventListener("click", () => actions.pip());
    this.#fullscreen.addEventListener("click", () => actions.fullscreen());
  }
}
