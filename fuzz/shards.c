/* shards.c - fuzz target: an index of shards is refused or names files that lie in their own folder, each once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "weights/shards.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gp_shards s;
    gopro_error err = {0};
    if (gp_shards_parse(&s, (const char *)data, size, "input", &err) != GOPRO_OK) {
        if (s.file || s.root || strlen(err.msg) == 0) abort();
        return 0;
    }
    if (s.n_file == 0) abort();
    for (size_t i = 0; i < s.n_file; i++) {
        if (s.file[i][0] == '\0' || strchr(s.file[i], '/') || strcmp(s.file[i], "..") == 0) abort();
        if (i && strcmp(s.file[i - 1], s.file[i]) >= 0) abort();
    }
    gp_shards_free(&s);
    return 0;
}
