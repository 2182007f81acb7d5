// Players that operators put on pages of their own, behind one call each.
import * as dash from "dashjs";
import Hls from "hls.js";

const players = {
  hls(video, url, faults) {
    const player = new Hls({ enableWorker: false });
    player.on(Hls.Events.ERROR, (_, { details, fatal }) => faults.push(`${details}${fatal ? ", fatal" : ""}`));
    player.loadSource(url);
    player.attachMedia(video);
    return {
      heights: () => player.levels.map((level) => level.height),
      choose: (index) => void (player.currentLevel = index),
      sounds: () => player.audioTracks.map((track) => track.lang),
      hear: (index) => void (player.audioTrack = index),
      caption: () => void ((player.subtitleTrack = 0), (player.subtitleDisplay = true)),
    };
  },
  dash(video, url, faults) {
    const player = dash.MediaPlayer().create();
    player.on("error", ({ error }) => faults.push(error.message));
    player.initialize(video, url, false);
    return {
      heights: () => player.getRepresentationsByType("video").map((level) => level.height),
      choose: (index) => {
        player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
        player.setRepresentationForTypeByIndex("video", index, true);
      },
      sounds: () => player.getTracksFor("audio").map((track) => track.lang),
      hear: (index) => player.setCurrentTrack(player.getTracksFor("audio")[index]),
      caption: () => player.setTextTrack(0),
      thumbnail: (time) => new Promise((found) => player.provideThumbnail(time, found)),
    };
  },
};

/** Plays an address, muted: `polycast.video` is the element, as on our own pages; faults of the player are `polycast.faults`. */
window.play = (kind, url) => {
  const video = document.body.appendChild(document.createElement("video"));
  video.muted = true;
  const faults = [];
  window.polycast = { video, faults, ...players[kind](video, url, faults) };
  return video.play();
};
