// A high tone for a fob that passed, two low ones for one that did not.

let context;

// Browsers play nothing before a person has touched the page; a kiosk can be told otherwise.
export function silent() {
  try {
    context ??= new AudioContext();
  } catch {
    return false; // a machine without sound has nobody to be asked for it
  }
  return context.state !== "running";
}

export async function wake() {
  if (silent()) await context?.resume().catch(() => {});
}

export function play(passed) {
  if (!context || context.state !== "running") return;
  if (passed) {
    tone(1320, 0, 0.12);
  } else {
    tone(330, 0, 0.18);
    tone(247, 0.22, 0.3);
  }
}

function tone(hertz, after, seconds) {
  const begin = context.currentTime + after;
  const source = context.createOscillator();
  const volume = context.createGain();
  source.frequency.value = hertz;
  volume.gain.setValueAtTime(0.3, begin);
  volume.gain.exponentialRampToValueAtTime(0.001, begin + seconds);
  source.connect(volume).connect(context.destination);
  source.start(begin);
  source.stop(begin + seconds);
}
