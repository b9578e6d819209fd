/** The page's few drawings. */

/** The mark: a samara, seed and wing. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path class="wing" d="M10 21C9 12 15 4 29 3c1 8-5 17-15 20z" />
      <path class="vein" d="M11 22C14 14 20 8 27 5M13 20c4-2 9-6 12-10" />
      <ellipse class="seed" cx="8.6" cy="24" rx="5.4" ry="4.2" transform="rotate(-42 8.6 24)" />
    </svg>
  );
}

export function Arrow() {
  return (
    <svg class="arrow" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M12 17V4m0 0L6.5 9.5M12 4l5.5 5.5M4 16v3a1.5 1.5 0 0 0 1.5 1.5h13A1.5 1.5 0 0 0 20 19v-3" />
    </svg>
  );
}
