// What the station says, over a stream that begins again by itself where it was cut off.

const SILENCE_MS = 1500; // something is said every half second
const AGAIN_MS = 250;

// Told `delta(news)`, and `link(state)` with "ok", "stale", "cut-off" or "no-token".
export function follow({ token, delta, link }) {
  let last = "";
  const listen = async () => {
    const stop = new AbortController();
    let silence;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), SILENCE_MS);
    };
    try {
      heard();
      const headers = { "Last-Event-ID": last };
      if (token) headers.Authorization = `Bearer ${token}`;
      const answer = await fetch("/events", { headers, cache: "no-store", signal: stop.signal });
      if (!answer.ok) {
        link(answer.status === 401 ? "no-token" : "cut-off");
        return;
      }
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        heard();
        text += value;
        let end;
        while ((end = text.indexOf("\n\n")) >= 0) {
          const event = parse(text.slice(0, end));
          text = text.slice(end + 2);
          if (event.event === "delta") {
            delta(JSON.parse(event.data));
            last = event.id;
            link("ok");
          } else {
            link(event.data);
          }
        }
      }
      link("cut-off");
    } catch {
      link("cut-off"); // a network that is away, or too long a silence
    } finally {
      clearTimeout(silence);
      stop.abort();
    }
  };
  const forever = async () => {
    for (;;) {
      await listen();
      await new Promise((over) => setTimeout(over, AGAIN_MS));
    }
  };
  forever();
}

function parse(block) {
  const event = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    event[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return event;
}
