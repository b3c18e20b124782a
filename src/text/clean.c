/* clean.c - text as the tokenizer wants it: character references resolved, white space collapsed, lower case (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text/text_internal.h"

/* What the HTML standard makes of the references 128..159: windows-1252. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0x81,   0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f,
    0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178,
};

static unsigned digit_value(uint32_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

/* The code point a numeric reference stands for; UINT32_MAX: none, the reference vanishes. */
static uint32_t numeric_target(uint32_t c)
{
    if (c >= 0x80 && c <= 0x9f) return windows_1252[c - 0x80];
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0xfffd;
    const bool control = (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7f;
    if (control || (c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe) return UINT32_MAX;
    return c;
}

/* s[0] is '#': length of the reference behind '&' and its code point, 0 if it is none. */
static size_t match_numeric(const uint32_t *s, size_t n, uint32_t *c)
{
    const bool hex = n > 1 && (s[1] == 'x' || s[1] == 'X');
    const unsigned base = hex ? 16 : 10;
    const size_t first = hex ? 2 : 1;
    size_t i = first;
    uint32_t v = 0;
    for (; i < n && digit_value(s[i]) < base; i++)
        if (v <= 0x10ffff) v = v * base + digit_value(s[i]); /* stays above once above */
    if (i == first) return 0;
    *c = numeric_target(v);
    return i < n && s[i] == ';' ? i + 1 : i;
}

/* -1, 0, 1 as name is before, a prefix of, or after the code points. */
static int compare_prefix(const char *name, const uint32_t *s, size_t n)
{
    for (size_t i = 0; name[i]; i++) {
        if (i == n || (uint32_t)(unsigned char)name[i] > s[i]) return 1;
        if ((uint32_t)(unsigned char)name[i] < s[i]) return -1;
    }
    return 0;
}

/* The longest named reference that s begins with, 0 if none: the names that are prefixes of s lie before s in the sorted table, each one a
 * prefix of the next, so walking back from s's place while the first letter agrees meets the longest first. */
static size_t match_named(const uint32_t *s, size_t n, const gp_entity **e)
{
    size_t lo = 0, hi = gp_n_entities;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        if (compare_prefix(gp_entities[mid].name, s, n) <= 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    while (lo-- > 0 && (uint32_t)(unsigned char)gp_entities[lo].name[0] == (n ? s[0] : 0)) {
        if (compare_prefix(gp_entities[lo].name, s, n) != 0) continue;
        const size_t len = strlen(gp_entities[lo].name);
        const bool closed = len < n && s[len] == ';';
        if (!closed && !gp_entities[lo].bare) continue;
        *e = &gp_entities[lo];
        return closed ? len + 1 : len;
    }
    return 0;
}

/* Every replacement is at most as long as its reference, so the text can be rewritten from its beginning. */
void gp_html_unescape(gp_codepoints *t)
{
    size_t out = 0;
    for (size_t i = 0; i < t->n;) {
        const uint32_t *s = t->v + i + 1;
        const size_t rest = t->n - i - 1;
        size_t used = 0;
        uint32_t c = 0;
        const gp_entity *e = NULL;
        if (t->v[i] == '&' && rest) used = s[0] == '#' ? match_numeric(s, rest, &c) : match_named(s, rest, &e);
        if (!used) {
            t->v[out++] = t->v[i++];
            continue;
        }
        i += used + 1;
        if (!e) {
            if (c != UINT32_MAX) t->v[out++] = c;
            continue;
        }
        for (const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)e->text; *p;) {
            utf8proc_int32_t u;
            p += utf8proc_iterate(p, -1, &u);
            t->v[out++] = (uint32_t)u;
        }
    }
    t->n = out;
}

bool gp_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* Python's str.strip also takes the four information separators, its \s does not. */
static bool strips(uint32_t c)
{
    return gp_is_space(c) || (c >= 0x1c && c <= 0x1f);
}

static void strip(gp_codepoints *t)
{
    size_t a = 0;
    while (t->n && strips(t->v[t->n - 1])) t->n--;
    while (a < t->n && strips(t->v[a])) a++;
    t->n -= a;
    memmove(t->v, t->v + a, t->n * sizeof *t->v);
}

static void collapse(gp_codepoints *t)
{
    size_t out = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!gp_is_space(t->v[i]))
            t->v[out++] = t->v[i];
        else if (i == 0 || !gp_is_space(t->v[i - 1])) /* v[i - 1] may be overwritten only by itself or by a space */
            t->v[out++] = ' ';
    }
    t->n = out;
}

/* Unicode's Case_Ignorable. */
static bool case_ignorable(uint32_t c)
{
    static const uint16_t in_words[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                        0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    for (size_t i = 0; i < GP_COUNT(in_words); i++)
        if (c == in_words[i]) return true;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

/* Unicode's Cased, for code points that are not Case_Ignorable: letters with case, and the signs made of such letters. */
static bool cased(uint32_t c)
{
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    if (k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT) return true;
    return c == 0xaa || c == 0xba || (c >= 0x2160 && c <= 0x217f) || (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

/* For each capital sigma: does it end a word?  before: a cased letter stands before it, after: none behind it, both past what is ignorable.
 * One pass each way keeps a text of sigmas linear. */
static void mark_final_sigmas(const gp_codepoints *t, uint8_t *final)
{
    bool c = false;
    for (size_t i = 0; i < t->n; i++) {
        final[i] = c;
        if (!case_ignorable(t->v[i])) c = cased(t->v[i]);
    }
    c = false;
    for (size_t i = t->n; i-- > 0;) {
        final[i] = final[i] && !c;
        if (!case_ignorable(t->v[i])) c = cased(t->v[i]);
    }
}

static gopro_status lower(gp_codepoints *t, gopro_error *err)
{
    size_t longer = 0, sigmas = 0;
    for (size_t i = 0; i < t->n; i++) {
        longer += t->v[i] == 0x130;
        sigmas += t->v[i] == 0x3a3;
    }
    uint8_t *final = sigmas ? malloc(t->n) : NULL;
    uint32_t *v = longer ? malloc((t->n + longer) * sizeof *v) : t->v; /* t->n is at most a quarter of the address space */
    if (!v || (sigmas && !final)) {
        free(final);
        if (v != t->v) free(v);
        return gp_fail_nomem(err, (t->n + longer) * sizeof *v, "text");
    }
    if (final) mark_final_sigmas(t, final);
    size_t out = 0;
    for (size_t i = 0; i < t->n; i++) {
        const uint32_t c = t->v[i];
        if (c == 0x130) { /* I with dot above: the one letter whose lower case is two code points */
            v[out++] = 'i';
            v[out++] = 0x307;
        } else if (c == 0x3a3) {
            v[out++] = final[i] ? 0x3c2 : 0x3c3;
        } else {
            v[out++] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        }
    }
    if (v != t->v) {
        free(t->v);
        t->v = v;
    }
    t->n = out;
    free(final);
    return GOPRO_OK;
}

gopro_status gp_text_clean(gp_codepoints *t, gopro_error *err)
{
    gp_html_unescape(t);
    gp_html_unescape(t);
    strip(t);
    collapse(t);
    strip(t);
    return lower(t, err);
}
