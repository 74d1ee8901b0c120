import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly isOurs?: boolean;
}

const [WIDTH, ROW, LABELS] = [760, 28, 330];

/** Draws bars, one below the other, into `bench/<name>.svg`; `unit` is written behind each value. */
export function drawBars(name: string, title: string, unit: string, bars: readonly Bar[]): void {
  const most = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ label, value, isOurs }, index) => {
    const y = 40 + index * ROW;
    const width = Math.max((value / most) * (WIDTH - LABELS - 90), 1);
    return `<text x="${LABELS - 10}" y="${y + 15}" text-anchor="end">${escaped(label)}</text>
<rect x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="20" rx="3" fill="${isOurs ? "#2563eb" : "#94a3b8"}"/>
<text x="${(LABELS + width + 8).toFixed(1)}" y="${y + 15}">${value.toFixed(value < 10 ? 2 : 0)} ${unit}</text>`;
  });
  const height = 50 + bars.length * ROW;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" fill="#334155">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="10" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>
${rows.join("\n")}
</svg>
`;
  writeFileSync(fileURLToPath(new URL(`./${name}.svg`, import.meta.url)), svg);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
