/* names.c - fuzzes class-name files: bytes up to the first 0xff are the file, the rest are class words, one a line.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "data/dataset_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const gp_names *m, char *text)
{
    char *key[64];
    uint32_t label[64];
    const char **names = NULL;
    size_t K = 0, n = 0;
    bool listed;
    gopro_error err;
    for (char *p = strtok(text, "\n"); p && K < 64; p = strtok(NULL, "\n")) key[K++] = p;
    if (K == 0) return;
    if (gp_names_apply(m, label, &names, &n, &listed, key, K, &err) == GOPRO_OK) {
        if (n < 1 || (!listed && n != K)) abort();
        for (size_t k = 0; k < K; k++)
            if (label[k] >= n || !names[label[k]]) abort();
    } else if (names) {
        abort();
    }
    free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *cut = size ? memchr(data, 0xff, size) : NULL;
    const size_t n = cut ? (size_t)(cut - data) : size;
    gp_names *m = NULL;
    gopro_error err = {0};
    if (gp_names_parse(&m, (const char *)data, n, "names", &err) != GOPRO_OK) {
        if (m || strlen(err.msg) == 0) abort();
        return 0;
    }
    const size_t rest = cut ? size - n - 1 : 0;
    char *text = malloc(rest + 1);
    if (text) {
        if (rest) memcpy(text, cut + 1, rest);
        text[rest] = '\0';
        apply(m, text);
    }
    free(text);
    gp_names_free(&m);
    return 0;
}
