/* replay_main.c - runs a fuzz target over the files and folders given as arguments, so that any compiler can replay a corpus.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t n_inputs;

static bool replay_file(const char *path)
{
    char *text;
    size_t n;
    gopro_error err;
    if (gp_read_file(&text, &n, path, (size_t)1 << 30, &err) != GOPRO_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return false;
    }
    uint8_t *exact = malloc(n ? n : 1); /* no byte more than the input, for the address sanitizer */
    if (!exact) {
        free(text);
        return false;
    }
    memcpy(exact, text, n);
    free(text);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    n_inputs++;
    return true;
}

static bool replay(const char *path)
{
    if (!gp_path_is_dir(path)) return replay_file(path);
    char **names;
    size_t n;
    gopro_error err;
    if (gp_list_dir(&names, &n, path, &err) != GOPRO_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return false;
    }
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        char *child = gp_path_join(path, names[i]);
        ok = child && replay(child) && ok;
        free(child);
    }
    gp_list_free(&names, n);
    return ok;
}

int main(int argc, char **argv)
{
    bool ok = argc > 1;
    for (int i = 1; i < argc; i++) ok = replay(argv[i]) && ok;
    printf("%zu inputs replayed\n", n_inputs);
    return ok && n_inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
