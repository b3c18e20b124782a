/* bpe.c - symbols, merges, and the merging of one chunk (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "text/text_internal.h"

/* ---- the byte alphabet ---- */

static bool printable(unsigned c)
{
    return (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
}

/* Base symbols: the printable bytes in order, then the others in order. */
uint32_t gp_bpe_byte(uint8_t c, bool end_of_word)
{
    uint32_t below = 0; /* bytes of the same kind before c */
    for (unsigned i = 0; i < c; i++) below += printable(i) == printable(c);
    return below + (printable(c) ? 0 : 188) + (end_of_word ? 256 : 0);
}

uint32_t gp_bpe_codepoint_of(uint8_t byte)
{
    return printable(byte) ? byte : gp_bpe_byte(byte, false) - 188 + 256;
}

int gp_bpe_byte_of(uint32_t codepoint)
{
    if (codepoint < 256) return printable(codepoint) ? (int)codepoint : -1;
    for (unsigned c = 0; c < 256; c++)
        if (!printable(c) && gp_bpe_codepoint_of((uint8_t)c) == codepoint) return (int)c;
    return -1;
}

/* ---- the vocabulary ---- */

static size_t hash_bytes(const uint8_t *s, size_t len, bool end_of_word)
{
    return (size_t)gp_hash(s, len) ^ (size_t)end_of_word;
}

static size_t hash_pair(uint32_t left, uint32_t right)
{
    const uint32_t pair[2] = {left, right};
    return (size_t)gp_hash(pair, sizeof pair);
}

size_t gp_bpe_text(const gp_bpe *b, uint32_t symbol, const uint8_t **s)
{
    assert(symbol < b->n);
    *s = b->text + b->start[symbol];
    return b->start[symbol + 1] - b->start[symbol];
}

/* Where a symbol with these bytes is or would be. */
static size_t text_slot(const gp_bpe *b, const uint8_t *s, size_t len, bool end_of_word)
{
    size_t h = hash_bytes(s, len, end_of_word);
    for (;; h++) {
        h &= b->hash_size - 1;
        if (b->by_text[h] == 0) return h;
        const uint32_t sym = b->by_text[h] - 1;
        const uint8_t *have;
        if (gp_bpe_text(b, sym, &have) == len && b->end_of_word[sym] == end_of_word && memcmp(have, s, len) == 0) return h;
    }
}

static size_t pair_slot(const gp_bpe *b, uint32_t left, uint32_t right)
{
    size_t h = hash_pair(left, right);
    for (;; h++) {
        h &= b->hash_size - 1;
        if (b->by_pair[h] == 0) return h;
        const uint32_t sym = b->by_pair[h] - 1;
        if (b->left[sym] == left && b->right[sym] == right) return h;
    }
}

uint32_t gp_bpe_find(const gp_bpe *b, const uint8_t *s, size_t len, bool end_of_word)
{
    return b->by_text[text_slot(b, s, len, end_of_word)] - 1;
}

uint32_t gp_bpe_pair(const gp_bpe *b, uint32_t left, uint32_t right)
{
    return b->by_pair[pair_slot(b, left, right)] - 1;
}

static bool reserve_text(gp_bpe *b, size_t more)
{
    size_t need;
    if (!gp_add_size(&need, b->start[b->n], more)) return false;
    if (need <= b->text_cap) return true;
    size_t cap = gp_max_size(need, 2 * b->text_cap);
    uint8_t *t = realloc(b->text, cap);
    if (!t) return false;
    b->text = t;
    b->text_cap = cap;
    return true;
}

static void enter(gp_bpe *b, bool end_of_word, size_t len)
{
    const uint32_t sym = (uint32_t)b->n;
    const size_t at = text_slot(b, b->text + b->start[sym], len, end_of_word);
    b->end_of_word[sym] = end_of_word;
    b->start[++b->n] = b->start[sym] + len;
    b->by_text[at] = sym + 1;
}

gopro_status gp_bpe_init(gp_bpe *b, size_t max_symbols, gopro_error *err)
{
    *b = (gp_bpe){.cap = gp_max_size(max_symbols, GP_BPE_BASE), .hash_size = 1024};
    if (b->cap > 1u << 24) return gp_fail(err, GOPRO_E_WEIGHTS, "a vocabulary of %zu symbols, at most %u are possible", b->cap, 1u << 24);
    while (b->hash_size < 2 * b->cap) b->hash_size *= 2;
    b->left = calloc(b->cap, sizeof *b->left);
    b->right = calloc(b->cap, sizeof *b->right);
    b->start = calloc(b->cap + 1, sizeof *b->start);
    b->end_of_word = calloc(b->cap, sizeof *b->end_of_word);
    b->by_text = calloc(b->hash_size, sizeof *b->by_text);
    b->by_pair = calloc(b->hash_size, sizeof *b->by_pair);
    b->text_cap = 8 * b->cap;
    b->text = malloc(b->text_cap);
    if (!b->left || !b->right || !b->start || !b->end_of_word || !b->by_text || !b->by_pair || !b->text) {
        gp_bpe_done(b);
        return gp_fail_nomem(err, 40 * max_symbols, "vocabulary");
    }
    uint8_t order[256];
    for (unsigned c = 0; c < 256; c++) {
        b->base[c] = (uint8_t)gp_bpe_byte((uint8_t)c, false);
        order[b->base[c]] = (uint8_t)c;
    }
    for (unsigned i = 0; i < GP_BPE_BASE; i++) {
        b->text[b->start[b->n]] = order[i & 255];
        enter(b, i >= 256, 1);
    }
    return GOPRO_OK;
}

void gp_bpe_done(gp_bpe *b)
{
    free(b->left);
    free(b->right);
    free(b->start);
    free(b->end_of_word);
    free(b->text);
    free(b->by_text);
    free(b->by_pair);
    *b = (gp_bpe){.n = 0};
}

/* A symbol inside a word whose bytes end like the mark could not be told from one at the end of a word. */
static bool reads_as_mark(const uint8_t *s, size_t len)
{
    return len >= 4 && memcmp(s + len - 4, "</w>", 4) == 0;
}

/* The bytes of left and right, written behind the last symbol's; false when out of memory. */
static bool join(gp_bpe *b, uint32_t left, uint32_t right, size_t *len)
{
    const uint8_t *s;
    const size_t nl = gp_bpe_text(b, left, &s), nr = gp_bpe_text(b, right, &s);
    if (!gp_add_size(len, nl, nr) || !reserve_text(b, *len)) return false;
    uint8_t *out = b->text + b->start[b->n];
    memcpy(out, b->text + b->start[left], nl);
    memcpy(out + nl, b->text + b->start[right], nr);
    return true;
}

bool gp_bpe_can_add(gp_bpe *b, uint32_t left, uint32_t right)
{
    size_t len;
    if (b->end_of_word[left] || !join(b, left, right, &len)) return false;
    const uint8_t *s = b->text + b->start[b->n];
    if (!b->end_of_word[right] && reads_as_mark(s, len)) return false;
    return gp_bpe_find(b, s, len, b->end_of_word[right]) == UINT32_MAX;
}

gopro_status gp_bpe_add(gp_bpe *b, uint32_t left, uint32_t right, gopro_error *err)
{
    assert(b->n < b->cap);
    size_t len;
    if (!join(b, left, right, &len)) return gp_fail_nomem(err, b->text_cap, "vocabulary");
    const uint32_t sym = (uint32_t)b->n;
    b->left[sym] = left;
    b->right[sym] = right;
    b->by_pair[pair_slot(b, left, right)] = sym + 1;
    enter(b, b->end_of_word[right], len);
    return GOPRO_OK;
}

/* ---- merging ---- */

/* A pair that could be merged: into which symbol, and where its left part stands. */
typedef struct gp_bpe_cand {
    uint32_t merged, at;
} gp_bpe_cand;

void gp_bpe_work_free(gp_bpe_work *w)
{
    free(w->sym);
    free(w->prev);
    free(w->next);
    free(w->heap);
    *w = (gp_bpe_work){.cap = 0};
}

static gopro_status reserve_work(gp_bpe_work *w, size_t n, gopro_error *err)
{
    if (n <= w->cap) return GOPRO_OK;
    if (n >= UINT32_MAX / 4) return gp_fail(err, GOPRO_E_DATA, "a word of %zu bytes is too long", n);
    gp_bpe_work_free(w);
    const size_t cap = gp_max_size(2 * n, 64);
    w->sym = calloc(cap, sizeof *w->sym);
    w->prev = calloc(cap, sizeof *w->prev);
    w->next = calloc(cap, sizeof *w->next);
    w->heap = calloc(cap, 3 * sizeof *w->heap); /* n - 1 pairs at first, at most two new ones with each of n - 1 merges */
    if (!w->sym || !w->prev || !w->next || !w->heap) {
        gp_bpe_work_free(w);
        return gp_fail_nomem(err, cap * 36, "tokenizer");
    }
    w->cap = cap;
    return GOPRO_OK;
}

static bool before(gp_bpe_cand a, gp_bpe_cand b)
{
    return a.merged != b.merged ? a.merged < b.merged : a.at < b.at;
}

static void push(gp_bpe_work *w, gp_bpe_cand c)
{
    size_t i = w->n_heap++;
    for (; i > 0 && before(c, w->heap[(i - 1) / 2]); i = (i - 1) / 2) w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = c;
}

static gp_bpe_cand pop(gp_bpe_work *w)
{
    const gp_bpe_cand top = w->heap[0], last = w->heap[--w->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n_heap) break;
        if (child + 1 < w->n_heap && before(w->heap[child + 1], w->heap[child])) child++;
        if (!before(w->heap[child], last)) break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void offer(const gp_bpe *b, gp_bpe_work *w, uint32_t at, uint32_t end)
{
    if (w->next[at] == end) return;
    const uint32_t m = gp_bpe_pair(b, w->sym[at], w->sym[w->next[at]]);
    if (m != UINT32_MAX) push(w, (gp_bpe_cand){.merged = m, .at = at});
}

/* A merged symbol's parts are older than it and no other pair makes it, so merging one occurrence never brings up a pair that should have
 * gone first: taking candidates by (rank, place) is the same as merging all occurrences of the lowest rank from left to right. */
gopro_status gp_bpe_encode(const gp_bpe *b, gp_bpe_work *w, const uint8_t *s, size_t len, const uint32_t **out, size_t *n, gopro_error *err)
{
    *n = 0;
    GP_TRY(reserve_work(w, len, err));
    *out = w->sym;
    const uint32_t end = (uint32_t)len;
    for (uint32_t i = 0; i < end; i++) {
        w->sym[i] = b->base[s[i]] + (i + 1 == end ? 256u : 0u);
        w->prev[i] = i - 1; /* of the first: never read */
        w->next[i] = i + 1;
    }
    w->n_heap = 0;
    for (uint32_t i = 0; i < end; i++) offer(b, w, i, end);
    while (w->n_heap) {
        const gp_bpe_cand c = pop(w);
        const uint32_t right = w->sym[c.at] == UINT32_MAX ? end : w->next[c.at];
        if (right == end || b->left[c.merged] != w->sym[c.at] || b->right[c.merged] != w->sym[right]) continue; /* merged away */
        w->sym[c.at] = c.merged;
        w->sym[right] = UINT32_MAX;
        w->next[c.at] = w->next[right];
        if (w->next[c.at] != end) w->prev[w->next[c.at]] = c.at;
        offer(b, w, c.at, end);
        if (c.at > 0) offer(b, w, w->prev[c.at], end);
    }
    for (uint32_t i = 0; i < end; i = w->next[i]) w->sym[(*n)++] = w->sym[i]; /* next of a survivor is past it, so nothing unread is hit */
    return GOPRO_OK;
}
