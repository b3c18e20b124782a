/* text_internal.h - the steps of the tokenizer: code points, cleaning, splitting, merging (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEXT_INTERNAL_H
#define GP_TEXT_INTERNAL_H

#include "base/error.h"

/* ---- utf8.c ---- */

/* Code points; v is malloc'ed, free it with free(). */
typedef struct gp_codepoints {
    uint32_t *v;
    size_t n;
} gp_codepoints;

/* Strict UTF-8 (no overlong forms, no surrogates); DATA error with the byte offset of the first wrong sequence. */
gopro_status gp_utf8_decode(gp_codepoints *out, const char *s, size_t len, gopro_error *err);
size_t gp_utf8_encode(uint8_t out[4], uint32_t c); /* number of bytes; c must be a scalar value */

/* ---- clean.c: each works in place ---- */

void gp_html_unescape(gp_codepoints *t);                        /* one pass of HTML's character references, as Python's html.unescape */
gopro_status gp_text_clean(gp_codepoints *t, gopro_error *err); /* unescape twice, strip, collapse white space, lower case */
bool gp_is_space(uint32_t c);                                   /* White_Space */

/* ---- entities.c ---- */

typedef struct gp_entity {
    const char *name; /* without & and ; */
    const char *text; /* UTF-8 */
    bool bare;        /* also without the semicolon */
} gp_entity;
extern const gp_entity gp_entities[]; /* sorted bytewise by name */
extern const size_t gp_n_entities;

/* ---- split.c ---- */

enum { GP_CHUNK_TEXT, GP_CHUNK_SOT, GP_CHUNK_EOT };
/* The next chunk of t at *pos: [*begin, *pos) afterwards; false at the end. */
bool gp_split_next(const gp_codepoints *t, size_t *pos, size_t *begin, int *kind);

/* ---- bpe.c ---- */

enum { GP_BPE_BASE = 512 }; /* 256 bytes, and the same with the end-of-word mark */

/* Symbols 0 .. n-1 as bytes with an end-of-word flag, and the merges that make symbols 512 .. n-1. */
typedef struct gp_bpe {
    size_t n, cap;
    uint8_t base[256];      /* base symbol of a byte inside a word */
    uint32_t *left, *right; /* [cap] parts of a merged symbol */
    size_t *start;          /* [cap + 1] where a symbol's bytes begin in text */
    bool *end_of_word;      /* [cap] */
    uint8_t *text;
    size_t text_cap;
    uint32_t *by_text; /* hash tables of symbol + 1, open addressing, 0 = empty; size a power of two above 2 cap */
    uint32_t *by_pair;
    size_t hash_size;
} gp_bpe;

gopro_status gp_bpe_init(gp_bpe *b, size_t max_symbols, gopro_error *err);
void gp_bpe_done(gp_bpe *b);
uint32_t gp_bpe_byte(uint8_t c, bool end_of_word);                                     /* base symbol */
uint32_t gp_bpe_find(const gp_bpe *b, const uint8_t *s, size_t len, bool end_of_word); /* UINT32_MAX: no such symbol */
uint32_t gp_bpe_pair(const gp_bpe *b, uint32_t left, uint32_t right);                  /* merged symbol or UINT32_MAX */
size_t gp_bpe_text(const gp_bpe *b, uint32_t symbol, const uint8_t **s);               /* its length in bytes */
/* False for a pair that cannot become a symbol: left ends a word, the bytes exist already or read as an end-of-word mark. */
bool gp_bpe_can_add(gp_bpe *b, uint32_t left, uint32_t right);
gopro_status gp_bpe_add(gp_bpe *b, uint32_t left, uint32_t right, gopro_error *err);
/* How vocabulary files write bytes: each as one printable code point.  Returns the byte or -1. */
int gp_bpe_byte_of(uint32_t codepoint);
uint32_t gp_bpe_codepoint_of(uint8_t byte);

/* Buffers of gp_bpe_encode, kept between calls. */
typedef struct gp_bpe_work {
    uint32_t *sym, *prev, *next;
    struct gp_bpe_cand *heap;
    size_t cap, n_heap;
} gp_bpe_work;
void gp_bpe_work_free(gp_bpe_work *w);
/* Merges the len bytes of one chunk; *out is borrowed from w. */
gopro_status gp_bpe_encode(const gp_bpe *b, gp_bpe_work *w, const uint8_t *s, size_t len, const uint32_t **out, size_t *n,
                           gopro_error *err);

/* Inside of a tokenizer, for the files it is read from and written to. */
gopro_status gp_bpe_write(const gp_bpe *b, const char *folder, gopro_error *err); /* merges.txt and vocab.json */
struct gp_tokenizer;
const gp_bpe *gp_tokenizer_bpe(const struct gp_tokenizer *t);
gopro_status gp_tokenizer_check_table(const struct gp_tokenizer *t, const void *table, const char *path,
                                      gopro_error *err); /* table: a json_t from tokens to ids, which must be t's */

#endif
