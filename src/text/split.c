/* split.c - CLIP's pattern, by hand: special tokens, contractions, letters, one numeral, anything else (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <utf8proc.h>

#include "text/text_internal.h"

typedef enum cls { SPACE, LETTER, NUMERAL, OTHER } cls;

static cls class_of(uint32_t c)
{
    /* U+0345 is a mark whose other case is the letter iota: CLIP's case-insensitive pattern matches it nowhere, so it only separates. */
    if (gp_is_space(c) || c == 0x345) return SPACE;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return NUMERAL;
    default:
        return OTHER;
    }
}

/* Does t at pos begin with word, ignoring case?  The text is lower case already; U+017F is the one other code point that folds to a letter
 * of these words.  *exact: no such letter among them. */
static bool begins(const gp_codepoints *t, size_t pos, const char *word, bool *exact)
{
    const size_t len = strlen(word);
    if (t->n - pos < len) return false;
    *exact = true;
    for (size_t i = 0; i < len; i++) {
        const uint32_t c = t->v[pos + i];
        if (c == (uint32_t)(unsigned char)word[i]) continue;
        if (c != 0x17f || word[i] != 's') return false;
        *exact = false;
    }
    return true;
}

bool gp_split_next(const gp_codepoints *t, size_t *pos, size_t *begin, int *kind)
{
    static const char *const words[] = {"<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t p = *pos;
    while (p < t->n && class_of(t->v[p]) == SPACE) p++;
    *begin = *pos = p;
    *kind = GP_CHUNK_TEXT;
    if (p == t->n) return false;
    if (t->v[p] == '<' || t->v[p] == '\'') {
        for (size_t w = 0; w < GP_COUNT(words); w++) {
            bool exact;
            if (!begins(t, p, words[w], &exact)) continue;
            *pos = p + strlen(words[w]);
            if (w < 2 && exact) *kind = w == 0 ? GP_CHUNK_SOT : GP_CHUNK_EOT;
            return true;
        }
    }
    const cls k = class_of(t->v[p]);
    p++;
    if (k != NUMERAL)
        while (p < t->n && class_of(t->v[p]) == k) p++;
    *pos = p;
    return true;
}
