/* draw.c - fuzzes the import of few-shot draws: what is accepted names images of the lists, each once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static gp_item train[] = {{.path = "a/1.jpg"}, {.path = "a/2.jpg"}, {.path = "b/1.jpg", .label = 1}, {.path = "b/2.jpg", .label = 1}},
                   val[] = {{.path = "a/3.jpg"}, {.path = "b/3.jpg", .label = 1}};
    static char a[] = "cat", b[] = "big dog", name[] = "pets", *names[] = {a, b};
    const gp_dataset d = {.name = name, .class_name = names, .n_classes = 2, .train = {train, 4}, .val = {val, 2}};
    gp_draw dr;
    gopro_error err = {0};
    if (gp_draw_parse(&dr, &d, (const char *)data, size, "draw", NULL, &err) != GOPRO_OK) {
        if (dr.train || dr.val || strlen(err.msg) == 0) abort();
        return 0;
    }
    unsigned seen[2] = {0, 0};
    if (dr.n_train == 0) abort();
    for (size_t i = 0; i < dr.n_train; i++) {
        if (dr.train[i] >= 4 || (seen[0] >> dr.train[i] & 1)) abort();
        seen[0] |= 1u << dr.train[i];
    }
    for (size_t i = 0; i < dr.n_val; i++) {
        if (dr.val[i] >= 2 || (seen[1] >> dr.val[i] & 1)) abort();
        seen[1] |= 1u << dr.val[i];
    }
    gp_draw_free(&dr);
    return 0;
}
