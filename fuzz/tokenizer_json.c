/* tokenizer_json.c - fuzz target: a tokenizer.json is refused or makes a tokenizer that works.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_tokenizer *t;
    gopro_error err = {0};
    if (gp_tokenizer_from_json(&t, (const char *)data, size, 0, "input", &err) != GOPRO_OK) {
        if (t || strlen(err.msg) == 0) abort();
        return 0;
    }
    uint32_t ids[32];
    size_t n = 0;
    if (gp_tokenize(t, "a photo of a cat.", ids, 32, &n, &err) != GOPRO_OK || n > 17) abort();
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= gp_tokenizer_vocab(t)) abort();
    gp_tokenizer_free(&t);
    return 0;
}
