/** HTML whose every inserted text is escaped: what is not {@link Markup} cannot become any. */

export interface Markup {
  readonly markup: string;
}

type Insert = Markup | string | number | undefined | false | readonly Insert[];

/** A template of HTML. Texts and numbers are escaped, undefined and false leave nothing, lists are joined. */
export function html(texts: TemplateStringsArray, ...inserts: readonly Insert[]): Markup {
  const parts = texts.map((text, index) => (index === 0 ? '' : render(inserts[index - 1])) + text);
  return { markup: parts.join('') };
}

/** Text that is HTML already: of this program's own making, never of outside origin. */
export function trusted(markup: string): Markup {
  return { markup };
}

function render(insert: Insert): string {
  if (insert === undefined || insert === false) return '';
  if (typeof insert === 'string') return escapeHtml(insert);
  if (typeof insert === 'number') return String(insert);
  return 'markup' in insert ? insert.markup : insert.map(render).join('');
}

/** Text for element content and for attributes in either kind of quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`);
}
