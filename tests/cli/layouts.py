# layouts.py - small trees in the layouts of the field's fifteen datasets: layouts.py ROOT IMAGE...
# The images are links to the given ones under the names of the layout, so most suffixes lie about the content.
# SPDX-License-Identifier: Apache-2.0
import json, os, sys

root, images = sys.argv[1], sys.argv[2:]
made = 0


def image(*path):
    global made
    p = os.path.join(root, *path)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    os.link(images[made % len(images)], p)
    made += 1


def text(lines, *path):
    p = os.path.join(root, *path)
    os.makedirs(os.path.dirname(p), exist_ok=True)
    with open(p, "w", encoding="utf-8") as f:
        f.write("".join(line + "\n" for line in lines))


# Eight of nine datasets with a split file: folder, image folder, file, class names, path of image i of class k.
# The classes do not appear in order, as in the flowers' and the cars' files.
def split(folder, images_at, name, classes, path):
    parts = {"train": 4, "val": 2, "test": 2}
    out, i = {}, 0
    for part, n in parts.items():
        out[part] = []
        for k in [1, 0] + list(range(2, len(classes))):
            for _ in range(n):
                p = path(k, i, part)
                i += 1
                image(folder, images_at, p)
                out[part].append([p, k, classes[k]])
    with open(os.path.join(root, folder, name), "w", encoding="utf-8") as f:
        json.dump(out, f, indent=4, ensure_ascii=False)


def in_class(names, pattern):
    return lambda k, i, part: pattern.format(c=names[k], i=i)


split("caltech-101", "101_ObjectCategories", "split_zhou_Caltech101.json", ["face", "leopard", "ibis", "yin_yang"],
      in_class(["Faces", "Leopards", "ibis", "yin_yang"], "{c}/image_{i:04d}.jpg"))
split("oxford_pets", "images", "split_zhou_OxfordPets.json", ["abyssinian", "beagle", "boxer", "keeshond", "leonberger"],
      in_class(["Abyssinian", "beagle", "boxer", "keeshond", "leonberger"], "{c}_{i}.jpg"))
split("stanford_cars", "", "split_zhou_StanfordCars.json", ["2012 Audi TTS Coupe", "2012 Ram C/V Cargo Van", "2010 BMW M6", "1998 Nissan 240SX"],
      lambda k, i, part: "cars_%s/%05d.jpg" % ("test" if part == "test" else "train", i))
split("oxford_flowers", "jpg", "split_zhou_OxfordFlowers.json", ["pink primrose", "hard-leaved pocket orchid", "wild pansy", "rose"],
      lambda k, i, part: "image_%05d.jpg" % i)
split("food-101", "images", "split_zhou_Food101.json", ["apple_pie", "ramen", "sushi", "crème_brûlée"],
      in_class(["apple_pie", "ramen", "sushi", "crème_brûlée"], "{c}/{i}.jpg"))
split("sun397", "SUN397", "split_zhou_SUN397.json", ["abbey", "outdoor apartment_building", "beach", "zoo"],
      in_class(["a/abbey", "a/apartment_building/outdoor", "b/beach", "z/zoo"], "{c}/sun_{i}.jpg"))
split("dtd", "images", "split_zhou_DescribableTextures.json", ["banded", "marbled", "matted", "zigzagged"],
      in_class(["banded", "marbled", "matted", "zigzagged"], "{c}/{c}_{i:04d}.jpg"))
split("eurosat", "2750", "split_zhou_EuroSAT.json", ["Annual Crop Land", "Forest", "River", "Sea or Lake"],
      in_class(["AnnualCrop", "Forest", "River", "SeaLake"], "{c}/{c}_{i}.jpg"))
split("ucf101", "UCF-101-midframes", "split_zhou_UCF101.json", ["Apply_Eye_Makeup", "Handstand_Pushups", "Tai_Chi", "Yo_Yo"],
      in_class(["Apply_Eye_Makeup", "Handstand_Pushups", "Tai_Chi", "Yo_Yo"], "{c}/v_X_g01_c{i:02d}.jpg"))

variants = ["707-320", "Cessna 525", "Cessna 560", "F/A-18"]
text(variants, "fgvc_aircraft", "variants.txt")
i = 0
for part, n in (("train", 4), ("val", 2), ("test", 2)):
    lines = []
    for v in variants:
        for _ in range(n):
            image("fgvc_aircraft", "images", "%07d.jpg" % i)
            lines.append("%07d %s" % (i, v))
            i += 1
    text(lines, "fgvc_aircraft", "images_variant_%s.txt" % part)

names = [("n01440764", "tench"), ("n01443537", "goldfish"), ("n02012849", "crane bird"), ("n03126707", "construction crane"),
         ("n03773504", "missile"), ("n04008634", "missile")]
names += [("n1000000%d" % k, "name %d" % k) for k in range(6)]
lines = ["%s %s" % x for x in names]
for folder in ("imagenet", "imagenetv2", "imagenet-sketch", "imagenet-adversarial", "imagenet-rendition"):
    text(lines, folder, "classnames.txt")
for k, (wnid, _) in enumerate(names):
    for j in range(3):
        image("imagenet", "images", "train", wnid, "%s_%d.JPEG" % (wnid, 10 - j))
    for j in range(2):
        image("imagenet", "images", "val", wnid, "ILSVRC2012_val_%08d.JPEG" % (2 * k + j))
        image("imagenet-sketch", "images", wnid, "sketch_%d.JPEG" % j)
        if k < 6 or j == 0:  # 10 and 11 stand between 1 and 2 for those who sort as strings
            image("imagenetv2", "imagenetv2-matched-frequency-format-val", str(k), "%d.jpeg" % j)
    if k % 2:
        image("imagenet-adversarial", "imagenet-a", wnid, "0.0001_x.jpg")
    else:
        image("imagenet-rendition", "imagenet-r", wnid, "art_0.jpg")
text(["not an image"], "imagenet-adversarial", "imagenet-a", "README.txt")
text(["not an image"], "imagenet-rendition", "imagenet-r", "README.txt")
