/* bpe_learn.c - learns a vocabulary from texts: the most frequent pair of neighbouring symbols becomes a symbol, again and again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "text/text_internal.h"
#include "text/tokenizer.h"

/* A distinct chunk, its symbols at sym[begin .. begin + n) of the learner, and how often it occurs. */
typedef struct word {
    size_t begin, n;
    uint64_t count;
} word;

/* A pair of neighbours: occurrences now, and the words that have or had it. */
typedef struct pair {
    uint32_t left, right;
    uint64_t count;
    uint32_t *words;
    size_t n_words, cap_words;
} pair;

typedef struct learner {
    gp_bpe bpe;
    word *words;
    size_t n_words, cap_words;
    uint32_t *sym;
    size_t n_sym, cap_sym;
    uint32_t *word_hash; /* word + 1 */
    size_t word_hash_size;
    pair *pairs;
    size_t n_pairs, cap_pairs;
    uint32_t *pair_hash; /* pair + 1 */
    size_t pair_hash_size;
    struct cand {
        uint64_t count;
        uint32_t pair;
    } * heap; /* counts may be stale: they only fall, so a popped one is checked and put back */
    size_t n_heap, cap_heap;
} learner;

/* array with room for need elements, moved if necessary; NULL when out of memory, and then array is as it was. */
static void *grown(void *array, size_t *cap, size_t need, size_t elem)
{
    if (need <= *cap) return array;
    size_t n = gp_max_size(need, *cap ? 2 * *cap : 64), bytes;
    void *p = gp_mul_size(&bytes, n, elem) ? realloc(array, bytes) : NULL;
    if (p) *cap = n;
    return p;
}

static void learner_done(learner *l)
{
    gp_bpe_done(&l->bpe);
    for (size_t i = 0; i < l->n_pairs; i++) free(l->pairs[i].words);
    free(l->words);
    free(l->sym);
    free(l->word_hash);
    free(l->pairs);
    free(l->pair_hash);
    free(l->heap);
}

/* ---- words ---- */

static size_t hash_symbols(const uint32_t *s, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) h = (h ^ s[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return (size_t)h;
}

/* The word's place in the table, or the empty place where it belongs. */
static size_t word_slot(const learner *l, const uint32_t *s, size_t n)
{
    for (size_t h = hash_symbols(s, n);; h++) {
        h &= l->word_hash_size - 1;
        if (l->word_hash[h] == 0) return h;
        const word *w = &l->words[l->word_hash[h] - 1];
        if (w->n == n && memcmp(l->sym + w->begin, s, n * sizeof *s) == 0) return h;
    }
}

static bool rehash_words(learner *l)
{
    const size_t size = l->word_hash_size ? 4 * l->word_hash_size : 4096;
    uint32_t *h = calloc(size, sizeof *h);
    if (!h) return false;
    free(l->word_hash);
    l->word_hash = h;
    l->word_hash_size = size;
    for (size_t i = 0; i < l->n_words; i++) h[word_slot(l, l->sym + l->words[i].begin, l->words[i].n)] = (uint32_t)i + 1;
    return true;
}

/* Counts the chunk whose n symbols stand at the end of l->sym. */
static bool count_word(learner *l, size_t n)
{
    if (2 * l->n_words >= l->word_hash_size && !rehash_words(l)) return false;
    const size_t at = word_slot(l, l->sym + l->n_sym, n);
    if (l->word_hash[at]) {
        l->words[l->word_hash[at] - 1].count++;
        return true;
    }
    word *w = l->n_words < UINT32_MAX / 2 ? grown(l->words, &l->cap_words, l->n_words + 1, sizeof *w) : NULL;
    if (!w) return false;
    l->words = w;
    l->words[l->n_words++] = (word){.begin = l->n_sym, .n = n, .count = 1};
    l->n_sym += n;
    l->word_hash[at] = (uint32_t)l->n_words;
    return true;
}

static gopro_status count_text(learner *l, const char *text, gopro_error *err)
{
    gp_codepoints c;
    GP_TRY(gp_utf8_decode(&c, text, strlen(text), err));
    gopro_status st = gp_text_clean(&c, err);
    int kind;
    for (size_t pos = 0, begin; st == GOPRO_OK && gp_split_next(&c, &pos, &begin, &kind);) {
        if (kind != GP_CHUNK_TEXT) continue;
        size_t n = 0;
        uint32_t *sym = grown(l->sym, &l->cap_sym, l->n_sym + 4 * (pos - begin), sizeof *sym);
        if (sym)
            l->sym = sym;
        else
            st = gp_fail_nomem(err, l->n_sym * 8, "words");
        for (size_t i = begin; st == GOPRO_OK && i < pos; i++) {
            uint8_t u[4];
            const size_t len = gp_utf8_encode(u, c.v[i]);
            for (size_t b = 0; b < len; b++) l->sym[l->n_sym + n++] = l->bpe.base[u[b]] + (i + 1 == pos && b + 1 == len ? 256u : 0u);
        }
        if (st == GOPRO_OK && !count_word(l, n)) st = gp_fail_nomem(err, l->n_words * sizeof(word), "words");
    }
    free(c.v);
    return st;
}

/* ---- pairs ---- */

static size_t pair_slot(const learner *l, uint32_t left, uint32_t right)
{
    const uint32_t key[2] = {left, right};
    for (size_t h = hash_symbols(key, 2);; h++) {
        h &= l->pair_hash_size - 1;
        if (l->pair_hash[h] == 0) return h;
        const pair *p = &l->pairs[l->pair_hash[h] - 1];
        if (p->left == left && p->right == right) return h;
    }
}

static bool rehash_pairs(learner *l)
{
    const size_t size = l->pair_hash_size ? 4 * l->pair_hash_size : 4096;
    uint32_t *h = calloc(size, sizeof *h);
    if (!h) return false;
    free(l->pair_hash);
    l->pair_hash = h;
    l->pair_hash_size = size;
    for (size_t i = 0; i < l->n_pairs; i++) h[pair_slot(l, l->pairs[i].left, l->pairs[i].right)] = (uint32_t)i + 1;
    return true;
}

static bool add_pair(learner *l, uint32_t left, uint32_t right, size_t w)
{
    if (2 * l->n_pairs >= l->pair_hash_size && !rehash_pairs(l)) return false;
    const size_t at = pair_slot(l, left, right);
    if (l->pair_hash[at] == 0) {
        pair *more = l->n_pairs < UINT32_MAX / 2 ? grown(l->pairs, &l->cap_pairs, l->n_pairs + 1, sizeof *more) : NULL;
        if (!more) return false;
        l->pairs = more;
        l->pairs[l->n_pairs++] = (pair){.left = left, .right = right};
        l->pair_hash[at] = (uint32_t)l->n_pairs;
    }
    pair *p = &l->pairs[l->pair_hash[at] - 1];
    p->count += l->words[w].count;
    if (p->n_words && p->words[p->n_words - 1] == w) return true;
    uint32_t *words = grown(p->words, &p->cap_words, p->n_words + 1, sizeof *words);
    if (!words) return false;
    p->words = words;
    p->words[p->n_words++] = (uint32_t)w;
    return true;
}

static void drop_pair(learner *l, uint32_t left, uint32_t right, uint64_t count)
{
    l->pairs[l->pair_hash[pair_slot(l, left, right)] - 1].count -= count;
}

/* ---- the most frequent pair ---- */

static int compare_symbols(const gp_bpe *b, uint32_t x, uint32_t y)
{
    const uint8_t *sx, *sy;
    const size_t nx = gp_bpe_text(b, x, &sx), ny = gp_bpe_text(b, y, &sy);
    const int c = memcmp(sx, sy, gp_min_size(nx, ny));
    if (c) return c;
    if (nx != ny) return nx < ny ? -1 : 1;
    return (int)b->end_of_word[x] - (int)b->end_of_word[y];
}

static bool better(const learner *l, struct cand a, struct cand b)
{
    if (a.count != b.count) return a.count > b.count;
    const pair *p = &l->pairs[a.pair], *q = &l->pairs[b.pair];
    const int c = compare_symbols(&l->bpe, p->left, q->left);
    return (c ? c : compare_symbols(&l->bpe, p->right, q->right)) < 0;
}

static bool heap_push(learner *l, uint32_t p)
{
    struct cand *heap = grown(l->heap, &l->cap_heap, l->n_heap + 1, sizeof *heap);
    if (!heap) return false;
    l->heap = heap;
    const struct cand c = {.count = l->pairs[p].count, .pair = p};
    size_t i = l->n_heap++;
    for (; i > 0 && better(l, c, l->heap[(i - 1) / 2]); i = (i - 1) / 2) l->heap[i] = l->heap[(i - 1) / 2];
    l->heap[i] = c;
    return true;
}

static struct cand heap_pop(learner *l)
{
    const struct cand top = l->heap[0], last = l->heap[--l->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->n_heap) break;
        if (child + 1 < l->n_heap && better(l, l->heap[child + 1], l->heap[child])) child++;
        if (!better(l, l->heap[child], last)) break;
        l->heap[i] = l->heap[child];
        i = child;
    }
    l->heap[i] = last;
    return top;
}

/* UINT32_MAX: no pair occurs twice any more. */
static uint32_t best_pair(learner *l)
{
    while (l->n_heap) {
        const struct cand c = heap_pop(l);
        const uint64_t now = l->pairs[c.pair].count;
        if (now < 2) continue;
        if (now != c.count) {
            (void)heap_push(l, c.pair); /* there is room: one was just taken out */
            continue;
        }
        if (gp_bpe_can_add(&l->bpe, l->pairs[c.pair].left, l->pairs[c.pair].right)) return c.pair;
    }
    return UINT32_MAX;
}

/* Replaces the pair in word w by symbol m; the counts of its neighbours' pairs follow. */
static bool merge_in_word(learner *l, size_t w, uint32_t left, uint32_t right, uint32_t m)
{
    word *x = &l->words[w];
    uint32_t *s = l->sym + x->begin;
    size_t found = 0;
    for (size_t i = 0; i + 1 < x->n; i++) found += s[i] == left && s[i + 1] == right;
    if (!found) return true;
    for (size_t i = 0; i + 1 < x->n; i++) drop_pair(l, s[i], s[i + 1], x->count);
    size_t n = 0;
    for (size_t i = 0; i < x->n;) {
        const bool hit = i + 1 < x->n && s[i] == left && s[i + 1] == right;
        s[n++] = hit ? m : s[i];
        i += hit ? 2 : 1;
    }
    x->n = n;
    for (size_t i = 0; i + 1 < n; i++)
        if (!add_pair(l, s[i], s[i + 1], w)) return false;
    return true;
}

static gopro_status learn(learner *l, size_t symbols, gopro_error *err)
{
    for (size_t w = 0; w < l->n_words; w++)
        for (size_t i = 0; i + 1 < l->words[w].n; i++) {
            const uint32_t *s = l->sym + l->words[w].begin + i;
            if (!add_pair(l, s[0], s[1], w)) return gp_fail_nomem(err, l->n_pairs * sizeof(pair), "pairs");
        }
    size_t offered = 0;
    while (l->bpe.n < symbols) {
        for (; offered < l->n_pairs; offered++)
            if (!heap_push(l, (uint32_t)offered)) return gp_fail_nomem(err, l->n_pairs * sizeof *l->heap, "pairs");
        const uint32_t p = best_pair(l);
        if (p == UINT32_MAX) break;
        const pair take = l->pairs[p];
        l->pairs[p].words = NULL;
        l->pairs[p].n_words = l->pairs[p].cap_words = 0;
        const uint32_t m = (uint32_t)l->bpe.n;
        gopro_status st = gp_bpe_add(&l->bpe, take.left, take.right, err);
        for (size_t i = 0; i < take.n_words && st == GOPRO_OK; i++)
            if (!merge_in_word(l, take.words[i], take.left, take.right, m)) st = gp_fail_nomem(err, l->n_pairs * sizeof(pair), "pairs");
        free(take.words);
        GP_TRY(st);
    }
    return GOPRO_OK;
}

/* ---- files ---- */

static void add_written(gp_str *out, const gp_bpe *b, uint32_t id)
{
    const uint8_t *s;
    const size_t len = gp_bpe_text(b, id, &s);
    for (size_t i = 0; i < len; i++) {
        uint8_t u[4];
        const size_t n = gp_utf8_encode(u, gp_bpe_codepoint_of(s[i]));
        gp_str_addn(out, (const char *)u, n);
    }
    if (b->end_of_word[id]) gp_str_add(out, "</w>");
}

static gopro_status write_merges(const gp_bpe *b, const char *folder, gopro_error *err)
{
    gp_str out = {0};
    gp_str_add(&out, "#version: 0.2\n");
    for (uint32_t i = GP_BPE_BASE; i < b->n; i++) {
        add_written(&out, b, b->left[i]);
        gp_str_add(&out, " ");
        add_written(&out, b, b->right[i]);
        gp_str_add(&out, "\n");
    }
    char *path = gp_path_join(folder, "merges.txt");
    const bool ok = !out.failed && path;
    const gopro_status st = ok ? gp_write_file(path, out.s, out.len, err) : gp_fail_nomem(err, out.len, "vocabulary");
    free(path);
    gp_str_free(&out);
    return st;
}

static gopro_status write_vocab(const gp_bpe *b, const char *folder, gopro_error *err)
{
    json_t *j = json_object();
    gp_str s = {0};
    bool ok = j != NULL;
    for (uint32_t i = 0; ok && i < b->n; i++) {
        s.len = 0;
        add_written(&s, b, i);
        ok = !s.failed && json_object_set_new(j, s.s, json_integer((json_int_t)i)) == 0;
    }
    ok = ok && json_object_set_new(j, "<|startoftext|>", json_integer((json_int_t)b->n)) == 0 &&
         json_object_set_new(j, "<|endoftext|>", json_integer((json_int_t)b->n + 1)) == 0;
    char *text = ok ? json_dumps(j, JSON_PRESERVE_ORDER | JSON_INDENT(0)) : NULL, *path = gp_path_join(folder, "vocab.json");
    ok = text && path;
    const gopro_status st = ok ? gp_write_file(path, text, strlen(text), err) : gp_fail_nomem(err, s.len, "vocabulary");
    free(text);
    free(path);
    gp_str_free(&s);
    json_decref(j);
    return st;
}

gopro_status gp_bpe_write(const gp_bpe *b, const char *folder, gopro_error *err)
{
    GP_TRY(gp_mkdirs(folder, err));
    GP_TRY(write_merges(b, folder, err));
    return write_vocab(b, folder, err);
}

gopro_status gp_bpe_learn(const char *const *texts, size_t n_texts, size_t vocab, const char *folder, gopro_error *err)
{
    if (vocab < GP_BPE_BASE + 2)
        return gp_fail(err, GOPRO_E_INVALID, "a vocabulary of %zu tokens, at least %d are needed", vocab, GP_BPE_BASE + 2);
    learner l = {.n_words = 0};
    gopro_status st = gp_bpe_init(&l.bpe, vocab - 2, err);
    for (size_t i = 0; i < n_texts && st == GOPRO_OK; i++) {
        st = count_text(&l, texts[i], err);
        if (st == GOPRO_E_DATA) st = gp_fail_in(err, st, "text %zu", i);
    }
    if (st == GOPRO_OK) st = learn(&l, vocab - 2, err);
    if (st == GOPRO_OK) st = gp_bpe_write(&l.bpe, folder, err);
    learner_done(&l);
    return st;
}
