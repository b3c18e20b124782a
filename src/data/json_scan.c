/* json_scan.c - see json_scan.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/json_scan.h"

#include <string.h>

#include "data/dataset_int.h"

#define MAX_NESTING 64

void gp_json_begin(gp_json_scan *s, const char *text, size_t size, const char *what)
{
    *s = (gp_json_scan){.p = text, .end = text + size, .begin = text, .what = what};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) s->p += 3;
}

void gp_json_end(gp_json_scan *s)
{
    gp_str_free(&s->text);
}

gopro_status gp_json_fail(const gp_json_scan *s, const char *expected, gopro_error *err)
{
    size_t line = 1, column = 1;
    for (const char *q = s->begin; q < s->p; q++) {
        column = *q == '\n' ? 1 : column + 1;
        line += *q == '\n';
    }
    return gp_fail(err, GOPRO_E_DATA, "'%s' line %zu column %zu: expected %s%s", s->what, line, column, expected,
                   s->p >= s->end ? ", but the file ends" : "");
}

char gp_json_peek(gp_json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
    return s->p < s->end ? *s->p : '\0';
}

bool gp_json_take(gp_json_scan *s, char c)
{
    if (gp_json_peek(s) != c || s->p >= s->end) return false;
    s->p++;
    return true;
}

gopro_status gp_json_need(gp_json_scan *s, char c, gopro_error *err)
{
    const char text[] = {'\'', c, '\'', '\0'};
    return gp_json_take(s, c) ? GOPRO_OK : gp_json_fail(s, text, err);
}

static bool hex4(const gp_json_scan *s, const char *p, uint32_t *v)
{
    *v = 0;
    if (s->end - p < 4) return false;
    for (int i = 0; i < 4; i++) {
        const char c = p[i];
        const int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) return false;
        *v = *v << 4 | (uint32_t)d;
    }
    return true;
}

static void add_codepoint(gp_str *b, uint32_t c)
{
    char u[4];
    size_t n;
    if (c < 0x80) {
        u[0] = (char)c, n = 1;
    } else if (c < 0x800) {
        u[0] = (char)(0xc0 | c >> 6), u[1] = (char)(0x80 | (c & 63)), n = 2;
    } else if (c < 0x10000) {
        u[0] = (char)(0xe0 | c >> 12), u[1] = (char)(0x80 | (c >> 6 & 63)), u[2] = (char)(0x80 | (c & 63)), n = 3;
    } else {
        u[0] = (char)(0xf0 | c >> 18), u[1] = (char)(0x80 | (c >> 12 & 63)), u[2] = (char)(0x80 | (c >> 6 & 63));
        u[3] = (char)(0x80 | (c & 63)), n = 4;
    }
    gp_str_addn(b, u, n);
}

/* After "\u": one code point, of two escapes if it is a surrogate pair. */
static gopro_status unicode_escape(gp_json_scan *s, gopro_error *err)
{
    uint32_t c, low;
    if (!hex4(s, s->p, &c)) return gp_json_fail(s, "four hexadecimal digits", err);
    s->p += 4;
    if (c == 0) return gp_json_fail(s, "text without zero bytes", err);
    if (c >= 0xdc00 && c < 0xe000) return gp_json_fail(s, "a high surrogate before a low one", err);
    if (c >= 0xd800 && c < 0xdc00) {
        if (s->end - s->p < 6 || s->p[0] != '\\' || s->p[1] != 'u' || !hex4(s, s->p + 2, &low) || low < 0xdc00 || low >= 0xe000)
            return gp_json_fail(s, "a low surrogate", err);
        s->p += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
    add_codepoint(&s->text, c);
    return GOPRO_OK;
}

static gopro_status escape(gp_json_scan *s, gopro_error *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *at = s->p < s->end && *s->p ? strchr(from, *s->p) : NULL;
    if (at) {
        gp_str_addn(&s->text, &to[at - from], 1);
        s->p++;
        return GOPRO_OK;
    }
    if (s->p >= s->end || *s->p != 'u') return gp_json_fail(s, "an escape such as \\n or \\u0041", err);
    s->p++;
    return unicode_escape(s, err);
}

gopro_status gp_json_string(gp_json_scan *s, gopro_error *err)
{
    if (gp_json_peek(s) != '"') return gp_json_fail(s, "a string", err);
    s->p++;
    s->text.len = 0;
    gp_str_addn(&s->text, "", 0);
    for (;;) {
        const char *from = s->p;
        while (s->p < s->end && *s->p != '"' && *s->p != '\\' && (unsigned char)*s->p >= 0x20) s->p++;
        if (!gp_utf8_ok(from, (size_t)(s->p - from))) return gp_json_fail(s, "valid UTF-8 before here", err);
        gp_str_addn(&s->text, from, (size_t)(s->p - from));
        if (s->text.failed) return gp_fail_nomem(err, s->text.len, "a string");
        if (s->p >= s->end || (unsigned char)*s->p < 0x20) return gp_json_fail(s, "the closing '\"' of a string", err);
        if (*s->p++ == '"') return GOPRO_OK;
        GP_TRY(escape(s, err));
    }
}

gopro_status gp_json_integer(gp_json_scan *s, long long *v, gopro_error *err)
{
    gp_json_peek(s);
    const char *q = s->p;
    const bool minus = q < s->end && *q == '-';
    long long x = 0;
    q += minus;
    if (q >= s->end || *q < '0' || *q > '9') return gp_json_fail(s, "an integer", err);
    for (; q < s->end && *q >= '0' && *q <= '9'; q++)
        if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, *q - '0', &x)) return gp_json_fail(s, "a smaller number", err);
    if (q < s->end && (*q == '.' || *q == 'e' || *q == 'E')) return gp_json_fail(s, "an integer", err);
    s->p = q;
    *v = minus ? -x : x;
    return GOPRO_OK;
}

/* A word, a number or a string. */
static gopro_status skip_scalar(gp_json_scan *s, gopro_error *err)
{
    static const char *const word[] = {"true", "false", "null"};
    if (*s->p == '"') return gp_json_string(s, err);
    for (size_t i = 0; i < GP_COUNT(word); i++) {
        const size_t n = strlen(word[i]);
        if ((size_t)(s->end - s->p) >= n && memcmp(s->p, word[i], n) == 0) {
            s->p += n;
            return GOPRO_OK;
        }
    }
    const char *q = s->p;
    while (q < s->end && *q && strchr("+-.0123456789eE", *q)) q++;
    if (q == s->p) return gp_json_fail(s, "a value", err);
    s->p = q;
    return GOPRO_OK;
}

gopro_status gp_json_skip(gp_json_scan *s, gopro_error *err)
{
    char close[MAX_NESTING];
    size_t depth = 0;
    for (;;) {
        const char c = gp_json_peek(s);
        if (s->p >= s->end) return gp_json_fail(s, "a value", err);
        bool opened = false;
        if (c == '{' || c == '[') {
            if (depth == MAX_NESTING) return gp_json_fail(s, "no deeper nesting", err);
            close[depth++] = c == '{' ? '}' : ']';
            s->p++;
            opened = true;
        } else {
            GP_TRY(skip_scalar(s, err));
        }
        /* Up over every value that ends here, to the next one. */
        for (;;) {
            if (depth == 0) return GOPRO_OK;
            if (gp_json_take(s, close[depth - 1])) {
                depth--;
                opened = false;
                continue;
            }
            if (!opened) GP_TRY(gp_json_need(s, ',', err));
            if (close[depth - 1] == '}') {
                GP_TRY(gp_json_string(s, err));
                GP_TRY(gp_json_need(s, ':', err));
            }
            break;
        }
    }
}
