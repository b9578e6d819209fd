/** What the page's own address says: which relays, and which link to open. */

/** The relay that served the page, or those that `?relay=` names. */
export function relays(page: Location): string[] {
  const named = new URLSearchParams(page.search).getAll("relay").filter((url) => url !== "");
  if (named.length > 0) return named;
  const scheme = page.protocol === "https:" ? "wss:" : "ws:";
  return [`${scheme}//${page.host}/ws`];
}

/** The link in the fragment, which browsers send to nobody; empty if there is none. */
export function linkIn(page: Location): string {
  return page.hash.slice(1);
}

/**
 * Puts a link into the address bar, so that a reload opens it again, or takes
 * it out. Adds nothing to the history.
 */
export function showLink(link: string): void {
  const { pathname, search } = window.location;
  history.replaceState(null, "", pathname + search + (link === "" ? "" : `#${link}`));
}

/** What a person pasted or dropped may be a link: bare, `samara:…` or a URL. */
export function looksLikeLink(text: string): boolean {
  return /^(samara:|https?:\/\/\S+#)\S+$|^[\w-]{60,}$/.test(text.trim());
}
