/* known.c - see known.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/known.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"

#define PHOTO "a photo of a {}."

static const char *const caltech_ignore[] = {"BACKGROUND_Google", "Faces_easy", NULL};
static const char *const caltech_renames[][2] = {
    {"Faces", "face"}, {"Leopards", "leopard"}, {"Motorbikes", "motorbike"}, {"airplanes", "airplane"}, {NULL, NULL}};
static const char *const eurosat_renames[][2] = {{"AnnualCrop", "Annual Crop Land"},
                                                 {"HerbaceousVegetation", "Herbaceous Vegetation Land"},
                                                 {"Highway", "Highway or Road"},
                                                 {"Industrial", "Industrial Buildings"},
                                                 {"Pasture", "Pasture Land"},
                                                 {"PermanentCrop", "Permanent Crop Land"},
                                                 {"Residential", "Residential Buildings"},
                                                 {"SeaLake", "Sea or Lake"},
                                                 {NULL, NULL}};

const gp_known gp_known_datasets[] = {
    {.name = "imagenet",
     .title = "ImageNet",
     .folder = "imagenet",
     .images = "images",
     .template_text = PHOTO,
     .template_not_in_7 = true, /* but its variants have it */
     .layout = GP_LAYOUT_IMAGENET,
     .classes = 1000,
     .n = {1281167, 0, 50000},
     .base_test = 25000,
     .last_base = "cleaver",
     .first_new = "cliff dwelling",
     .class_hash = "d3fe6583bf025b26",
     .trap = "the validation images must be sorted into wnid folders; the images are those of the 2012 release"},
    {.name = "caltech101",
     .title = "Caltech101",
     .folder = "caltech-101",
     .images = "101_ObjectCategories",
     .split = "split_zhou_Caltech101.json",
     .template_text = PHOTO,
     .folder_per_class = true,
     .classes = 100,
     .n = {4128, 1649, 2465},
     .base_test = 1549,
     .last_base = "helicopter",
     .first_new = "ibis",
     .class_hash = "cd18541f69230ca4",
     .split_hash = "fcc639152982d051",
     .fingerprint = {{"a0062a72cfd8d8e5", "7280b689bf701855", "44ff4b01d867c890"},
                     {"6f9bb07fa5b50bba", "10ba07f2ce58e766", "93fe0be01dbc1a05"}},
     .ignore = caltech_ignore,
     .renames = caltech_renames,
     .trap = "the archive that holds 101_ObjectCategories.tar.gz is record 20086 of the Caltech data repository"},
    {.name = "oxford_pets",
     .title = "OxfordPets",
     .folder = "oxford_pets",
     .images = "images",
     .split = "split_zhou_OxfordPets.json",
     .template_text = "a photo of a {}, a type of pet.",
     .classes = 37,
     .n = {2944, 736, 3669},
     .base_test = 1881,
     .last_base = "keeshond",
     .first_new = "leonberger",
     .class_hash = "a7b8698f58a8cfda",
     .split_hash = "ff3a92de79dd733d",
     .fingerprint = {{"abf213c9341676e3", "81b5ccc705cd8904", "c19832450d80ddde"},
                     {"10395826946e8cde", "76db13e619a73328", "4f0437043a36c3cc"}},
     .trap = "some files named .jpg are PNG or GIF; they are read by content, do not convert or rename them"},
    {.name = "stanford_cars",
     .title = "StanfordCars",
     .folder = "stanford_cars",
     .images = "",
     .sign = "cars_train",
     .split = "split_zhou_StanfordCars.json",
     .template_text = PHOTO,
     .classes = 196,
     .n = {6509, 1635, 8041},
     .base_test = 4002,
     .last_base = "1998 Eagle Talon Hatchback",
     .first_new = "2012 FIAT 500 Abarth",
     .class_hash = "d2092dee9a76168e",
     .split_hash = "19842b93a430b58d",
     .fingerprint = {{"0f7c12a6ecd1405b", "1d8ef97ef4c069b9", "65b57c7ee4692300"},
                     {"c60965649d26558f", "dbd758571654e723", "79747b21e9435bcf"}},
     .trap = "copies that sort the images into class folders do not fit: the files are cars_train/NNNNN.jpg and cars_test/NNNNN.jpg"},
    {.name = "oxford_flowers",
     .title = "OxfordFlowers",
     .folder = "oxford_flowers",
     .images = "jpg",
     .split = "split_zhou_OxfordFlowers.json",
     .template_text = "a photo of a {}, a type of flower.",
     .classes = 102,
     .n = {4093, 1633, 2463},
     .base_test = 1053,
     .last_base = "petunia",
     .first_new = "wild pansy",
     .class_hash = "59d47ae6553e8fbc",
     .split_hash = "7708ceed2e2285da",
     .fingerprint = {{"86031d577f7b4330", "3069068fb36a8edc", "ee1a25eb035a9fb5"},
                     {"51897c7b9fcde8d2", "a486e4d9ea7127ea", "bedbd09a70ab1060"}},
     .trap = "only jpg/ and the split file are needed; the classes do not appear in order in the split file, do not sort it"},
    {.name = "food101",
     .title = "Food101",
     .folder = "food-101",
     .images = "images",
     .split = "split_zhou_Food101.json",
     .template_text = "a photo of {}, a type of food.",
     .folder_per_class = true,
     .classes = 101,
     .n = {50500, 20200, 30300},
     .base_test = 15300,
     .last_base = "grilled_salmon",
     .first_new = "guacamole",
     .class_hash = "f864176f8d1bd9a1",
     .fingerprint = {{"cefcf523a76efd9e", "5b5b486ec8c0cbbf", "0f534b4082576f57"},
                     {"892fda665784a827", "3945531b0320242c", "af55490c414475f5"}},
     .trap = "the lists in meta/ are not used"},
    {.name = "fgvc_aircraft",
     .title = "FGVCAircraft",
     .folder = "fgvc_aircraft",
     .images = "images",
     .template_text = "a photo of a {}, a type of aircraft.",
     .layout = GP_LAYOUT_LISTS,
     .classes = 100,
     .n = {3334, 3333, 3333},
     .base_test = 1666,
     .last_base = "Cessna 525",
     .first_new = "Cessna 560",
     .class_hash = "652bef5a5734285f",
     .fingerprint = {{"41ede4349cbc8641", "81a270db0caafa0f", "b965df55fc5e09d9"},
                     {"d8ad66553f2364ab", "fc089d6e55c4f842", "29b745bf97332b76"}},
     .trap = "take variants.txt and images_variant_{train,val,test}.txt from data/ of the archive; do not crop the credit strip"},
    {.name = "sun397",
     .title = "SUN397",
     .folder = "sun397",
     .images = "SUN397",
     .split = "split_zhou_SUN397.json",
     .template_text = PHOTO,
     .classes = 397,
     .n = {15880, 3970, 19850},
     .base_test = 9950,
     .last_base = "indoor ice_skating_rink",
     .first_new = "outdoor ice_skating_rink",
     .class_hash = "92858037da24b380",
     .fingerprint = {{"79b0e313e24aac07", "1c63049ba3d7b2f9", "16fc485aeacb8397"},
                     {"ebf342dea4b7edb8", "877994df0089e46e", "99fb12f9d945ae58"}},
     .trap = "keep the folders of letters: SUN397/a/abbey/sun_*.jpg"},
    {.name = "dtd",
     .title = "DescribableTextures",
     .folder = "dtd",
     .images = "images",
     .split = "split_zhou_DescribableTextures.json",
     .template_text = "{} texture.",
     .folder_per_class = true,
     .classes = 47,
     .n = {2820, 1128, 1692},
     .base_test = 864,
     .last_base = "marbled",
     .first_new = "matted",
     .class_hash = "65cf24463ec28cdd",
     .split_hash = "bf63546106e03e3d",
     .fingerprint = {{"6aa4d669856a3f3b", "68595428c5c9a568", "1a91bd3b5e6f50d8"},
                     {"884be17ce4087a26", "ee5bdff8013a572b", "43114ad34354d4c0"}},
     .trap = "the archive's own labels/ are not used"},
    {.name = "eurosat",
     .title = "EuroSAT",
     .folder = "eurosat",
     .images = "2750",
     .split = "split_zhou_EuroSAT.json",
     .template_text = "a centered satellite photo of {}.",
     .folder_per_class = true,
     .classes = 10,
     .n = {13500, 5400, 8100},
     .base_test = 4200,
     .last_base = "Industrial Buildings",
     .first_new = "Pasture Land",
     .class_hash = "47367c4007cf43cd",
     .split_hash = "9252409af169c065",
     .fingerprint = {{"d0eded86733d4201", "8cdddbc39a1af0d4", "05ff8da9bfd82a50"},
                     {"ee2120ce82344d7d", "5997ed4727c8cf59", "a7952bb2f6b3c8e1"}},
     .renames = eurosat_renames,
     .trap = "the RGB version; newer copies unpack as EuroSAT_RGB: rename that folder to 2750"},
    {.name = "ucf101",
     .title = "UCF101",
     .folder = "ucf101",
     .images = "UCF-101-midframes",
     .split = "split_zhou_UCF101.json",
     .template_text = "a photo of a person doing {}.",
     .classes = 101,
     .n = {7639, 1898, 3783},
     .base_test = 1934,
     .last_base = "Long_Jump",
     .first_new = "Lunges",
     .class_hash = "493d23ff183aa97a",
     .split_hash = "189724adff7501e7",
     .fingerprint = {{"554218dbadbcf90c", "9004608e8d74e1e9", "c2c135ef27705484"},
                     {"fbe9389ce2d4c482", "4f168308fb2060c9", "cb19d4e1a1be2fc0"}},
     .trap = "one middle frame per video; the files of Handstand_Pushups are named v_HandStandPushups_*"},
    {.name = "imagenetv2",
     .title = "ImageNetV2",
     .folder = "imagenetv2",
     .images = "imagenetv2-matched-frequency-format-val",
     .template_text = PHOTO,
     .layout = GP_LAYOUT_NUMBERED,
     .classes = 1000,
     .n = {0, 0, 10000},
     .last_base = "cleaver",
     .first_new = "cliff dwelling",
     .class_hash = "d3fe6583bf025b26",
     .trap = "the matched-frequency set; its folders are the label numbers 0 to 999"},
    {.name = "imagenet_sketch",
     .title = "ImageNetSketch",
     .folder = "imagenet-sketch",
     .images = "images",
     .template_text = PHOTO,
     .layout = GP_LAYOUT_WNID,
     .classes = 1000,
     .n = {0, 0, 50889},
     .last_base = "cleaver",
     .first_new = "cliff dwelling",
     .class_hash = "d3fe6583bf025b26",
     .trap = "the archive unpacks as sketch/: rename that folder to images"},
    {.name = "imagenet_a",
     .title = "ImageNetA",
     .folder = "imagenet-adversarial",
     .images = "imagenet-a",
     .template_text = PHOTO,
     .layout = GP_LAYOUT_WNID,
     .classes = 200,
     .n = {0, 0, 7500},
     .class_hash = "1fd035cfc8225bdf",
     .trap = "the classifier has only the 200 classes of these folders"},
    {.name = "imagenet_r",
     .title = "ImageNetR",
     .folder = "imagenet-rendition",
     .images = "imagenet-r",
     .template_text = PHOTO,
     .layout = GP_LAYOUT_WNID,
     .classes = 200,
     .n = {0, 0, 30000},
     .class_hash = "5e816f966e0ff860",
     .trap = "the classifier has only the 200 classes of these folders, which are not those of ImageNet-A"},
};
const size_t gp_n_known = GP_COUNT(gp_known_datasets);

const gp_known *gp_known_by_name(const char *name)
{
    for (size_t i = 0; i < gp_n_known; i++) {
        const gp_known *k = &gp_known_datasets[i];
        if (strcmp(name, k->name) == 0 || strcmp(name, k->title) == 0) return k;
    }
    return NULL;
}

static bool holds(const char *folder, const char *name)
{
    char *path = gp_path_join(folder, name);
    const bool yes = path && gp_path_exists(path);
    free(path);
    return yes;
}

static bool has_layout(const gp_known *k, const char *path)
{
    if (k->split && holds(path, k->split)) return true;
    if (k->layout == GP_LAYOUT_LISTS) return holds(path, "variants.txt");
    return k->images[0] && holds(path, k->images);
}

const gp_known *gp_known_by_folder(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    for (size_t i = 0; i < gp_n_known; i++) {
        const gp_known *k = &gp_known_datasets[i];
        if (k->split && holds(path, k->split)) return k;
        if (strlen(k->folder) == end - start && memcmp(k->folder, path + start, end - start) == 0 && has_layout(k, path)) return k;
    }
    return NULL;
}

char *gp_known_images(const gp_known *k, const char *folder)
{
    return k->images[0] ? gp_path_join(folder, k->images) : gp_strdup(folder);
}
