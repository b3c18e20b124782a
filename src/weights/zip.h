/* zip.h - the directory of a zip archive whose entries are stored, not compressed, so that they are read where they lie.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ZIP_H
#define GP_ZIP_H

#include "base/error.h"

typedef struct gp_zip_entry {
    char *name;
    const uint8_t *data; /* inside the archive; NULL for a compressed entry, which nobody may ask for */
    size_t size;
    uint32_t crc; /* of the bytes, as the directory has it; 0: none was computed (torch.serialization.set_crc32_options(False)) */
    bool compressed;
} gp_zip_entry;

typedef struct gp_zip {
    gp_zip_entry *entry; /* sorted by name */
    size_t n;
} gp_zip;

/* The bytes are borrowed.  Zip64 is understood.  FORMAT errors name the entry and the rule broken: no directory at the end (a file cut
 * off), several disks, encryption, sizes outside the file, entries that overlap each other or the directory, a name twice, a local header
 * that names something else. */
gopro_status gp_zip_open(gp_zip *z, const uint8_t *data, size_t size, const char *label, gopro_error *err);
void gp_zip_close(gp_zip *z);
/* Do the entry's bytes have the CRC-32 that they had when the archive was written?  FORMAT error that names the entry. */
gopro_status gp_zip_intact(const gp_zip_entry *e, const char *label, gopro_error *err);
const gp_zip_entry *gp_zip_find(const gp_zip *z, const char *name);
bool gp_zip_looks_like(const uint8_t *data, size_t size);

#endif
