import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeHtml, html, trusted } from '../../../../src/surfaces/web/page/html.ts';

describe('a template of HTML', () => {
  it('escapes text', () => {
    expect(html`<p title="${'"'}">${'<script>&'}</p>`.markup).toBe(
      '<p title="&#34;">&#60;script&#62;&#38;</p>',
    );
  });

  it('shows what cannot be seen as what it is not', () => {
    expect(html`<p>${'\u202egnp.exe\u009b31m'}</p>`.markup).toBe('<p>\uFFFDgnp.exe\uFFFD31m</p>');
  });

  it('lets nothing that is inserted begin a tag, an entity or the end of an attribute', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(html`${text}`.markup.replace(/&#\d+;/g, '')).not.toMatch(/[&<>"'`]/);
      }),
    );
  });

  it('keeps what it escapes: nothing is lost', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const back = escapeHtml(text).replace(/&#(\d+);/g, (_all, code) => String.fromCharCode(Number(code)));
        expect(back).toBe(text);
      }),
    );
  });

  it('takes markup, lists and numbers as they are, and leaves out what is not there', () => {
    const items = [1, 2].map((item) => html`<li>${item}</li>`);
    expect(html`<ul>${items}${undefined}${false}</ul>${trusted('<hr>')}`.markup).toBe(
      '<ul><li>1</li><li>2</li></ul><hr>',
    );
  });
});
