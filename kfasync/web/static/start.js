// What every page begins with: its token and the words of its language.

export function token() {
  // Behind the # it is sent to nobody and written in no log; then it leaves the address as well.
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem("token") ?? "";
}

export async function words() {
  for (;;) {
    try {
      const answer = await fetch("/words");
      if (answer.ok) return await answer.json();
    } catch {
      // The page's process begins again in a moment.
    }
    await new Promise((over) => setTimeout(over, 500));
  }
}
