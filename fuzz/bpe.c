/* bpe.c - fuzz target: bytes up to the first zero are a merges file, the rest is text for the tokenizer it makes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CAP = 64 };

static void tokenize(const gp_tokenizer *t, const char *text, size_t len)
{
    uint32_t ids[CAP], again[CAP / 2];
    size_t n = 0, m = 0;
    gopro_error err = {0};
    if (gp_tokenize(t, text, ids, CAP, &n, &err) != GOPRO_OK) {
        if (n || strlen(err.msg) == 0) abort();
        return;
    }
    if (n > 2 * len) abort(); /* no step makes more than two bytes of one */
    if (gp_tokenize(t, text, again, CAP / 2, &m, NULL) != GOPRO_OK || m != n) abort();
    for (size_t i = 0; i < n && i < CAP; i++) {
        if (ids[i] >= gp_tokenizer_vocab(t) || (i < CAP / 2 && ids[i] != again[i])) abort();
        char *s = gp_token_text(t, ids[i]);
        if (!s) abort();
        free(s);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    const size_t n_merges = zero ? (size_t)(zero - data) : size;
    gp_tokenizer *t = NULL;
    gopro_error err = {0};
    if (gp_tokenizer_from_merges(&t, (const char *)data, n_merges, 0, "input", &err) != GOPRO_OK) {
        if (t || strlen(err.msg) == 0) abort();
        return 0;
    }
    const size_t len = zero ? size - n_merges - 1 : 0;
    char *text = malloc(len + 1);
    if (text) {
        if (len) memcpy(text, zero + 1, len);
        text[len] = '\0';
        tokenize(t, text, strlen(text));
    }
    free(text);
    gp_tokenizer_free(&t);
    return 0;
}
