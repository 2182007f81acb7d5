/** What the viewer has fixed, sound track and picture height: it holds for whatever is loaded next. */
import type shaka from "shaka-player/dist/shaka-player.compiled-es2021.js";

type Player = shaka.Player;
type AudioTrack = shaka.extern.AudioTrack;

/** The library's own track list is large; we name what we use. */
export function shortSide(track: shaka.extern.VideoTrack): number {
  return Math.min(track.height ?? 0, track.width ?? track.height ?? 0) || (track.height ?? 0);
}

export class ViewerChoice {
  #side: number | null = null;
  #sound: AudioTrack | null = null;

  /** Fixes the short side of the picture, in pixels; null gives the choice back to the network. */
  fixSide(player: Player, side: number | null): void {
    this.#side = side;
    player.configure("abr.enabled", side === null);
    const portrait = player.getVideoTracks().some((track) => (track.height ?? 0) > (track.width ?? 0));
    // what is loaded next must not even begin above it
    const most = side ?? Infinity;
    player.configure("abr.restrictions", { maxHeight: portrait ? Infinity : most, maxWidth: portrait ? most : Infinity });
    if (side !== null) selectSide(player, side, 2);
  }

  chooseSound(player: Player, track: AudioTrack): void {
    this.#sound = track;
    player.selectAudioTrack(track, 0.5);
  }

  /** After a load: chooses the same again, or what comes nearest. */
  restore(player: Player): void {
    const wanted = this.#sound;
    if (wanted) {
      const fitting = player.getAudioTracks().filter((track) => track.language === wanted.language);
      const track = fitting.sort((a, b) => likeness(b, wanted) - likeness(a, wanted))[0];
      if (track && !track.active) player.selectAudioTrack(track);
    }
    if (this.#side !== null) selectSide(player, this.#side, 0);
  }
}

/** How much two tracks of one language have in common. */
function likeness(a: AudioTrack, b: AudioTrack): number {
  return 4 * Number(a.label === b.label) + 2 * Number(a.roles[0] === b.roles[0]) + Number(a.channelsCount === b.channelsCount);
}

/** The best rendition of that short side; without one the next below, else the smallest. `keep_s` of the buffer stay. */
function selectSide(player: Player, side: number, keep_s: number): void {
  const sides = player.getVideoTracks().map(shortSide).sort((a, b) => b - a);
  const nearest = sides.find((other) => other <= side) ?? sides.at(-1);
  const fitting = player.getVideoTracks().filter((track) => shortSide(track) === nearest);
  const best = fitting.sort((a, b) => b.bandwidth - a.bandwidth)[0];
  if (best) player.selectVideoTrack(best, true, keep_s);
}
