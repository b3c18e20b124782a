/* tokenizer.c - vocabulary files and the whole way from text to token ids (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#define ZLIB_CONST /* inflate reads const bytes */
#include "text/tokenizer.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "text/text_internal.h"

enum { MAX_FILE = 1 << 26, MAX_LINE = 4096, MAX_VOCAB = 1 << 22, CLIP_VOCAB = 49408 };

struct gp_tokenizer {
    gp_bpe bpe; /* all but the start and the end token, the two largest ids */
};

size_t gp_tokenizer_vocab(const gp_tokenizer *t)
{
    return t->bpe.n + 2;
}

uint32_t gp_tokenizer_sot(const gp_tokenizer *t)
{
    return (uint32_t)t->bpe.n;
}

uint32_t gp_tokenizer_eot(const gp_tokenizer *t)
{
    return (uint32_t)t->bpe.n + 1;
}

void gp_tokenizer_free(gp_tokenizer **t)
{
    if (!t || !*t) return;
    gp_bpe_done(&(*t)->bpe);
    free(*t);
    *t = NULL;
}

/* ---- merges ---- */

/* A symbol as merges files write it: a code point for each byte, "</w>" at the end of a word. */
static gopro_status parse_symbol(const gp_bpe *b, const char *s, size_t len, uint32_t *sym, bool *known, gopro_error *err)
{
    const bool end_of_word = len > 4 && memcmp(s + len - 4, "</w>", 4) == 0;
    gp_codepoints t;
    GP_TRY(gp_utf8_decode(&t, s, end_of_word ? len - 4 : len, err));
    uint8_t bytes[MAX_LINE];
    *known = true;
    for (size_t i = 0; i < t.n && *known; i++) {
        const int c = gp_bpe_byte_of(t.v[i]);
        *known = c >= 0;
        bytes[i] = (uint8_t)c;
    }
    *sym = *known ? gp_bpe_find(b, bytes, t.n, end_of_word) : UINT32_MAX;
    *known = *sym != UINT32_MAX;
    free(t.v);
    return GOPRO_OK;
}

static gopro_status add_merge(gp_bpe *b, const char *s, size_t len, const char *label, size_t line, gopro_error *err)
{
    const char *space = memchr(s, ' ', len);
    const size_t first = space ? (size_t)(space - s) : 0;
    if (len > MAX_LINE || first == 0 || first + 1 == len || memchr(space + 1, ' ', len - first - 1))
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %zu is not two symbols with a space between them", label, line);
    uint32_t left, right;
    bool known_left, known_right;
    gopro_status st = parse_symbol(b, s, first, &left, &known_left, err);
    if (st == GOPRO_OK) st = parse_symbol(b, space + 1, len - first - 1, &right, &known_right, err);
    if (st == GOPRO_E_DATA) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %zu is not UTF-8", label, line);
    GP_TRY(st);
    if (!known_left || !known_right)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %zu merges a symbol that no line before it makes", label, line);
    if (!gp_bpe_can_add(b, left, right))
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %zu merges behind the end of a word or makes a symbol that is there already", label,
                       line);
    return gp_bpe_add(b, left, right, err);
}

/* One line without its end; false at the end of the text. */
static bool next_line(const char **text, size_t *left, const char **line, size_t *len)
{
    if (*left == 0) return false;
    const char *nl = memchr(*text, '\n', *left);
    *line = *text;
    *len = nl ? (size_t)(nl - *text) : *left;
    const size_t used = nl ? *len + 1 : *len;
    *text += used;
    *left -= used;
    if (*len && (*line)[*len - 1] == '\r') --*len;
    return true;
}

static bool contains(const char *s, size_t len, const char *word)
{
    return memmem(s, len, word, strlen(word)) != NULL;
}

/* Lines that can hold a merge. */
static size_t count_lines(const char *text, size_t len)
{
    size_t n = 0, width;
    for (const char *line; next_line(&text, &len, &line, &width);) n += width > 0;
    return n;
}

static gopro_status read_merges(gp_tokenizer *t, const char *text, size_t len, size_t vocab, const char *label, gopro_error *err)
{
    const char *line = "";
    size_t n = 0, number = 1;
    const char *rest = text;
    size_t left = len;
    if (next_line(&rest, &left, &line, &n) && contains(line, n, "#version:")) {
        /* The published file goes on far beyond the merges that CLIP has. */
        if (vocab == 0 && contains(line, n, "bpe_simple_vocab_16e6")) vocab = CLIP_VOCAB;
    } else {
        rest = text;
        left = len;
        number = 0;
    }
    const size_t most = GP_BPE_BASE + count_lines(rest, left);
    if (vocab && (vocab < GP_BPE_BASE + 2 || vocab - 2 > most))
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: holds at most %zu merges, the model's vocabulary of %zu tokens needs %lld", label,
                       most - GP_BPE_BASE, vocab, (long long)vocab - GP_BPE_BASE - 2);
    const size_t symbols = vocab ? vocab - 2 : most;
    if (symbols > MAX_VOCAB)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: %zu merges, at most %d are possible", label, symbols - GP_BPE_BASE, (int)MAX_VOCAB);
    GP_TRY(gp_bpe_init(&t->bpe, symbols, err));
    while (t->bpe.n < symbols && next_line(&rest, &left, &line, &n)) {
        number++;
        if (n) GP_TRY(add_merge(&t->bpe, line, n, label, number, err));
    }
    if (vocab && t->bpe.n + 2 != vocab)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: holds %zu merges, the model's vocabulary of %zu tokens needs %zu", label,
                       t->bpe.n - GP_BPE_BASE, vocab, vocab - GP_BPE_BASE - 2);
    return GOPRO_OK;
}

/* Another gzip file may follow the first, as zcat reads them, and zeros that fill a block of a tape; nothing else. */
static bool next_member(z_stream *z, int *r)
{
    if (z->avail_in >= 2 && z->next_in[0] == 0x1f && z->next_in[1] == 0x8b) {
        *r = inflateReset(z);
        return true;
    }
    while (z->avail_in > 0 && *z->next_in == 0) {
        z->next_in++;
        z->avail_in--;
    }
    return false;
}

static gopro_status inflate_all(char **out, size_t *n, const char *data, size_t size, const char *label, gopro_error *err)
{
    z_stream z = {.next_in = (const Bytef *)data, .avail_in = (uInt)size};
    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) return gp_fail_nomem(err, size, label);
    size_t cap = 1 << 20;
    char *buf = malloc(cap);
    int r = Z_OK;
    *n = 0;
    while (buf && r == Z_OK && *n < MAX_FILE) {
        if (*n == cap) {
            char *more = realloc(buf, 2 * cap);
            if (!more) {
                free(buf);
                buf = NULL;
                break;
            }
            buf = more;
            cap *= 2;
        }
        z.next_out = (Bytef *)buf + *n;
        z.avail_out = (uInt)(cap - *n);
        r = inflate(&z, Z_NO_FLUSH);
        *n = cap - z.avail_out;
        if (r == Z_STREAM_END && !next_member(&z, &r)) break;
    }
    const uInt left = z.avail_in;
    (void)inflateEnd(&z);
    if (!buf) return gp_fail_nomem(err, 2 * cap, label);
    if (r == Z_STREAM_END && left == 0) {
        *out = buf;
        return GOPRO_OK;
    }
    free(buf);
    if (r == Z_STREAM_END)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: %zu bytes after the end of its gzip data that are no gzip data; fetch the file again",
                       label, (size_t)left);
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: not a complete gzip file of at most %d bytes", label, (int)MAX_FILE);
}

gopro_status gp_tokenizer_from_merges(gp_tokenizer **t, const char *text, size_t len, size_t vocab, const char *label, gopro_error *err)
{
    *t = NULL;
    if (len > MAX_FILE) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: %zu bytes, a merges file has at most %d", label, len, (int)MAX_FILE);
    char *plain = NULL;
    if (len > 2 && (unsigned char)text[0] == 0x1f && (unsigned char)text[1] == 0x8b) {
        size_t n = 0;
        GP_TRY(inflate_all(&plain, &n, text, len, label, err));
        text = plain;
        len = n;
    }
    gp_tokenizer *x = calloc(1, sizeof *x);
    gopro_status st = x ? read_merges(x, text, len, vocab, label, err) : gp_fail_nomem(err, sizeof *x, "tokenizer");
    free(plain);
    if (st != GOPRO_OK) {
        gp_tokenizer_free(&x);
        return st;
    }
    *t = x;
    return GOPRO_OK;
}

/* ---- vocab.json ---- */

/* A token as vocabulary files write it. */
static void written(const gp_tokenizer *t, uint32_t id, gp_str *out)
{
    out->len = 0;
    if (id == gp_tokenizer_sot(t) || id == gp_tokenizer_eot(t)) {
        gp_str_add(out, id == gp_tokenizer_sot(t) ? "<|startoftext|>" : "<|endoftext|>");
        return;
    }
    const uint8_t *s;
    const size_t len = gp_bpe_text(&t->bpe, id, &s);
    for (size_t i = 0; i < len; i++) {
        uint8_t u[4];
        const size_t n = gp_utf8_encode(u, gp_bpe_codepoint_of(s[i]));
        gp_str_addn(out, (const char *)u, n);
    }
    if (t->bpe.end_of_word[id]) gp_str_add(out, "</w>");
}

gopro_status gp_tokenizer_check_table(const gp_tokenizer *t, const void *table, const char *path, gopro_error *err)
{
    const json_t *j = table;
    gopro_status st = GOPRO_OK;
    gp_str s = {0};
    const size_t vocab = gp_tokenizer_vocab(t);
    if (!json_is_object(j) || json_object_size(j) != vocab)
        st = gp_fail(err, GOPRO_E_WEIGHTS, "%s: %zu tokens, the merges file makes %zu", path, json_object_size(j), vocab);
    for (uint32_t id = 0; id < vocab && st == GOPRO_OK; id++) {
        written(t, id, &s);
        if (s.failed) {
            st = gp_fail_nomem(err, s.len, "vocabulary");
            break;
        }
        const json_t *have = json_object_get(j, s.s);
        if (!json_is_integer(have) || json_integer_value(have) != (json_int_t)id)
            st = gp_fail(err, GOPRO_E_WEIGHTS, "%s: token '%.80s' is not %u, as the merges file has it; the two do not belong together",
                         path, s.s, id);
    }
    gp_str_free(&s);
    return st;
}

static gopro_status check_vocab(const gp_tokenizer *t, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t len = 0;
    GP_TRY(gp_read_file(&text, &len, path, MAX_FILE, err));
    json_error_t je;
    json_t *j = gp_json_load(text, len, GP_JSON_MANY, &je);
    free(text);
    if (!j) return gp_fail(err, GOPRO_E_WEIGHTS, "%s:%d: %s, expected a map from tokens to ids", path, je.line, je.text);
    gopro_status st = gp_tokenizer_check_table(t, j, path, err);
    json_decref(j);
    return st;
}

const gp_bpe *gp_tokenizer_bpe(const gp_tokenizer *t)
{
    return &t->bpe;
}

static bool is_json(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

/* vocab.json beside merges.txt, as a folder has them. */
static gopro_status check_beside(const gp_tokenizer *t, const char *folder, const char *file, gopro_error *err)
{
    size_t n = strlen(file);
    if (n < 10 || strcmp(file + n - 10, "merges.txt") != 0) return GOPRO_OK;
    char *json = gp_path_join(folder, "vocab.json");
    if (!json) return gp_fail_nomem(err, strlen(folder), "path");
    gopro_status st = gp_path_exists(json) ? check_vocab(t, json, err) : GOPRO_OK;
    free(json);
    return st;
}

gopro_status gp_tokenizer_load(gp_tokenizer **t, const char *path, size_t vocab, gopro_error *err)
{
    *t = NULL;
    const bool folder = gp_path_is_dir(path);
    char *file = NULL, *text = NULL;
    size_t len = 0;
    gopro_status st = GOPRO_OK;
    if (folder)
        st = gp_tokenizer_find(&file, path, err);
    else if (!(file = gp_strdup(path)))
        st = gp_fail_nomem(err, strlen(path), "path");
    if (st == GOPRO_OK) st = gp_read_file(&text, &len, file, MAX_FILE, err);
    if (st == GOPRO_OK)
        st = is_json(file) ? gp_tokenizer_from_json(t, text, len, vocab, file, err)
                           : gp_tokenizer_from_merges(t, text, len, vocab, file, err);
    if (st == GOPRO_OK && folder) st = check_beside(*t, path, file, err);
    if (st != GOPRO_OK) gp_tokenizer_free(t);
    free(text);
    free(file);
    return st;
}

/* ---- text to ids ---- */

typedef struct sink {
    uint32_t *ids;
    size_t cap, n;
} sink;

static void put(sink *out, uint32_t id)
{
    if (out->n < out->cap) out->ids[out->n] = id;
    out->n++;
}

static gopro_status encode_chunks(const gp_tokenizer *t, const gp_codepoints *text, uint8_t *bytes, sink *out, gopro_error *err)
{
    gp_bpe_work w = {.cap = 0};
    gopro_status st = GOPRO_OK;
    int kind;
    for (size_t pos = 0, begin; st == GOPRO_OK && gp_split_next(text, &pos, &begin, &kind);) {
        if (kind != GP_CHUNK_TEXT) {
            put(out, kind == GP_CHUNK_SOT ? gp_tokenizer_sot(t) : gp_tokenizer_eot(t));
            continue;
        }
        size_t len = 0, n;
        for (size_t i = begin; i < pos; i++) len += gp_utf8_encode(bytes + len, text->v[i]);
        const uint32_t *ids;
        st = gp_bpe_encode(&t->bpe, &w, bytes, len, &ids, &n, err);
        for (size_t i = 0; st == GOPRO_OK && i < n; i++) put(out, ids[i]);
    }
    gp_bpe_work_free(&w);
    return st;
}

gopro_status gp_tokenize(const gp_tokenizer *t, const char *text, uint32_t *ids, size_t cap, size_t *n, gopro_error *err)
{
    *n = 0;
    gp_codepoints c;
    GP_TRY(gp_utf8_decode(&c, text, strlen(text), err));
    sink out = {.ids = ids, .cap = cap};
    gopro_status st = gp_text_clean(&c, err);
    if (st == GOPRO_OK) {
        uint8_t *bytes = malloc(4 * c.n + 4);
        st = bytes ? encode_chunks(t, &c, bytes, &out, err) : gp_fail_nomem(err, 4 * c.n + 4, "text");
        free(bytes);
    }
    free(c.v);
    if (st == GOPRO_OK) *n = out.n;
    return st;
}

char *gp_token_text(const gp_tokenizer *t, uint32_t id)
{
    if (id == gp_tokenizer_sot(t)) return gp_strdup("<|startoftext|>");
    if (id >= t->bpe.n) return gp_strdup(id == gp_tokenizer_eot(t) ? "<|endoftext|>" : "");
    const uint8_t *s;
    const size_t len = gp_bpe_text(&t->bpe, id, &s);
    char *out = malloc(len + 2);
    if (!out) return NULL;
    memcpy(out, s, len);
    out[len] = t->bpe.end_of_word[id] ? ' ' : '\0';
    out[len + 1] = '\0';
    return out;
}
