/* tokenizer.h - CLIP's byte-level BPE with any vocabulary size (METHODS 1.6).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TOKENIZER_H
#define GP_TOKENIZER_H

#include "base/error.h"

typedef struct gp_tokenizer gp_tokenizer;

/* `path`: a folder with merges.txt (and, checked if present, vocab.json), tokenizer.json or the published bpe_simple_vocab_16e6.txt.gz, in
 * this order; or a tokenizer.json; or a merges file, plain or gzip.  vocab: the model's vocabulary size, so that 512 + merges + 2 = vocab;
 * 0 takes all merges of the file. Merge lines beyond vocab - 514 are ignored (as CLIP does); fewer: WEIGHTS error naming both numbers. */
gopro_status gp_tokenizer_load(gp_tokenizer **t, const char *path, size_t vocab, gopro_error *err);
gopro_status gp_tokenizer_from_merges(gp_tokenizer **t, const char *text, size_t len, size_t vocab, const char *label, gopro_error *err);
gopro_status gp_tokenizer_from_json(gp_tokenizer **t, const char *text, size_t len, size_t vocab, const char *label, gopro_error *err);
gopro_status gp_tokenizer_find(char **path, const char *folder, gopro_error *err); /* the file a folder would be read from, malloc'ed */
gopro_status gp_tokenizer_save(const gp_tokenizer *t, const char *folder, gopro_error *err); /* merges.txt and vocab.json */
void gp_tokenizer_free(gp_tokenizer **t);
size_t gp_tokenizer_vocab(const gp_tokenizer *t);
uint32_t gp_tokenizer_sot(const gp_tokenizer *t);
uint32_t gp_tokenizer_eot(const gp_tokenizer *t);

/* Cleans, splits, encodes UTF-8 `text` without start and end tokens into ids[cap].  *n is the number of tokens the text has, also when it
 * is above cap (then only cap are written and the status is still OK).  DATA error for invalid UTF-8, with the byte offset. */
gopro_status gp_tokenize(const gp_tokenizer *t, const char *text, uint32_t *ids, size_t cap, size_t *n, gopro_error *err);

/* The bytes of a token (malloc'ed, "</w>" as a trailing space), for `explain` and messages. */
char *gp_token_text(const gp_tokenizer *t, uint32_t id);

/* Learns merges from words with counts (lower-case chunks), for pretraining a small model: greedy most frequent pair, ties by byte order.
 * Writes merges.txt and vocab.json into folder. */
gopro_status gp_bpe_learn(const char *const *texts, size_t n_texts, size_t vocab, const char *folder, gopro_error *err);

#endif
