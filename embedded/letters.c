/* letters.c - letters and digits drawn with FreeType from Debian's font packages.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#include "bench.h"

enum { EM = 46 }; /* pixels */

/* Black on white, the ink centred; false for a glyph that is missing or too large. */
static bool draw_glyph(uint8_t *rgb, FT_Face face, char ch)
{
    FT_UInt g = FT_Get_Char_Index(face, (FT_ULong)ch);
    if (!g || FT_Load_Glyph(face, g, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP) || FT_Render_Glyph(face->glyph, FT_RENDER_MODE_NORMAL))
        return false;
    const FT_Bitmap *b = &face->glyph->bitmap;
    if (b->rows == 0 || b->width == 0 || b->rows > GE_SIZE || b->width > GE_SIZE) return false;
    memset(rgb, 255, GE_SIZE * GE_SIZE * 3);
    size_t top = (GE_SIZE - b->rows) / 2, left = (GE_SIZE - b->width) / 2;
    for (size_t y = 0; y < b->rows; y++)
        for (size_t x = 0; x < b->width; x++)
            memset(rgb + 3 * ((top + y) * GE_SIZE + left + x), 255 - b->buffer[y * (size_t)b->pitch + x], 3);
    return true;
}

static void add_face(ge_dataset *s, FT_Face face, const char *family, const char *style, const char *file)
{
    static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const char *base = strrchr(file, '/') + 1;
    for (const char *c = chars; *c; c++) {
        uint8_t *rgb = ge_alloc(GE_SIZE * GE_SIZE, 3);
        if (!draw_glyph(rgb, face, *c)) {
            free(rgb);
            continue;
        }
        bool digit = *c <= '9', upper = *c <= 'Z' && !digit;
        char lower = upper ? (char)(*c + 32) : *c;
        char *class = ge_fmt("%s %c", digit ? "digit" : "letter", lower), *unit = ge_fmt("%s\t%s", family, class);
        ge_item *t = ge_dataset_add(s, ge_dataset_class(s, class), unit, style);
        t->rgb = rgb;
        t->path = ge_fmt("images/%s-%c/%s_%s.png", digit ? "digit" : "letter", lower, base, digit ? "digit" : upper ? "upper" : "lower");
        for (char *p = t->path; *p; p++)
            if (*p == ' ') *p = '-';
        ge_thumb(t->thumb, rgb);
        free(unit);
        free(class);
    }
}

void ge_letters_collect(ge_bench *b, const char *tables, const char *fonts)
{
    FT_Library lib;
    if (FT_Init_FreeType(&lib)) ge_die("FreeType cannot be started");
    ge_dataset *s = ge_bench_add(b, "letters", tables);
    char *path = ge_fmt("%s/fonts.tsv", tables), *text = ge_read(path, NULL);
    if (!text) ge_die("%s: not found", path);
    ge_cut(&text, '\n');
    for (char *line; (line = ge_cut(&text, '\n'));) {
        char *package = ge_cut(&line, '\t'), *family = ge_cut(&line, '\t'), *style = ge_cut(&line, '\t');
        ge_cut(&line, '\t');
        for (char *file; (file = ge_cut(&line, '|'));) {
            char *full = ge_fmt("%s/%s", fonts, file);
            FT_Face face;
            if (FT_New_Face(lib, full, 0, &face) || FT_Set_Pixel_Sizes(face, 0, EM)) ge_die("%s: not found; install %s", full, package);
            add_face(s, face, family, style, full);
            FT_Done_Face(face);
            free(full);
        }
    }
    free(path);
    FT_Done_FreeType(lib);
}
