# test_import.sh - one set of weights in every checkpoint format: the same features to the last bit, and PyTorch's; what must be refused is.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

tar xJf "$source_dir/tests/golden/checkpoints.tar.xz" || exit 1

# Loaded directly and through import: PyTorch's features, and the same bits both ways.
for f in hf hf_gelu hf_sharded hf_bin hf_bin_sharded hf_bf16 hf_f16 openai_jit openai_state openai_legacy open_clip open_clip_quick \
    open_clip_bin open_clip_training slip; do
    check "$f does not load" sh -c "'$make_fixture' features $f >$f.direct"
    check "$f: not the features PyTorch computes" sh -c "'$make_fixture' compare features.txt $f <$f.direct"
    expect 0 '^content hash   [0-9a-f]{64}$' "$gopro" import $f imported/$f
    check "$f does not load once imported" sh -c "'$make_fixture' features imported/$f >$f.imported"
    same $f.direct $f.imported
    expect 0 'are those that were imported' "$gopro" import --verify imported/$f
done
for f in hf_sharded hf_bin hf_bin_sharded hf_bf16 hf_f16 openai_jit openai_state openai_legacy open_clip_quick; do same hf.direct $f.direct; done
for f in open_clip open_clip_bin open_clip_training; do same hf_gelu.direct $f.direct; done
checks=$((checks + 1))
! "$make_fixture" compare features.txt slip <hf.direct 2>/dev/null || fail "the comparison with PyTorch cannot fail"

# The weights file is the same whichever layout it came from, but for where it came from: one content hash.
hash_of() { "$gopro" import "$@" --json 2>/dev/null | sed -n 's/.*"content_sha256": "\([0-9a-f]*\)".*/\1/p'; }
a=$(hash_of hf h1) b=$(hash_of openai_jit h2) c=$(hash_of openai_legacy h3) d=$(hash_of open_clip h4) e=$(hash_of hf h5 --dtype f16)
check "content hashes differ between formats" test -n "$a" -a "$a" = "$b" -a "$a" = "$c" -a "$a" = "$e"
check "content hashes are equal for different models" test "$a" != "$d"
"$make_fixture" features h5 >f16.features
same f16.features hf.direct
expect 0 '' "$gopro" import hf h6
same h1/model.safetensors h6/model.safetensors
# What was imported can be imported again.
expect 0 "content hash   $a" "$gopro" import h2 h7

# What it says about itself.
expect 0 'parameters     145,537 \(image 55,168, text 90,368\)' "$gopro" import openai_state r1
expect 0 'QuickGELU \(a TorchScript archive' "$gopro" import openai_jit r2
expect 0 'QuickGELU \(input_resolution' "$gopro" import openai_state/ViT.pt r3
expect 0 'exact GELU \(open_clip_config.json without quick_gelu' "$gopro" import open_clip r4
expect 0 'mean 0.5 0.5 0.5, deviation 0.25 0.25 0.25' "$gopro" import open_clip_bin r5
expect 0 'short side to 8 \(bilinear\).*mean 0.485 0.456 0.406' "$gopro" import slip r6
expect 0 'no norm before the blocks' "$gopro" import slip r7
expect 0 '^norm eps       1e-06 image, 1e-05 text' "$gopro" import slip r8
expect 0 'SLIP SLIP_TINY' "$gopro" import slip r9
expect 0 'warning: no open_clip_config.json .*model.activation=quickgelu' "$gopro" import open_clip_training r10
expect 0 'warning: nothing in .ViT.pt. says' "$gopro" import openai_legacy r11
grep -q '"resample": 2' imported/slip/preprocessor_config.json || fail "SLIP's filter does not travel"
grep -q '"layer_norm_eps": 1e-6' imported/slip/config.json || fail "SLIP's eps does not travel"

# What config.json does not say is assumed aloud.
cp -r hf untold_act && sed -i 's/"hidden_act"/"hidden_art"/' untold_act/config.json
expect 0 "^activation     QuickGELU \(no hidden_act in config.json; CLIPModel's default" "$gopro" import untold_act r12
check "no warning" grep -q 'warning: config.json of .model.safetensors. has no hidden_act for either tower.*model.activation=gelu' err.txt
rm untold_act/config.json
expect 0 "warning: no config.json belongs to .model.safetensors.*model.activation=gelu" "$gopro" import untold_act r13 model.v_heads=2 model.t_heads=2
check "the activation's reason is not that there is no config.json" grep -q "^activation     QuickGELU (no config.json" out.txt
expect 0 '^activation     QuickGELU \(hidden_act in config.json' "$gopro" import hf r14
check "a warning without a reason" test ! -s err.txt

# What newer versions of the libraries leave out, rename or put around it.
edit() { # FOLDER PYTHON: on the configuration c
    python3 - "$@" <<'PY'
import json, sys
path = sys.argv[1] + "/config.json"
c = json.load(open(path))
exec(sys.argv[2])
json.dump(c, open(path, "w"))
PY
}
cp -r hf_gelu dicts && edit dicts 'c["vision_config_dict"] = dict(c["vision_config"]); c["text_config_dict"] = dict(c["text_config"]); [t.update(hidden_act="quick_gelu") for t in (c["vision_config"], c["text_config"])]'
check "text_config_dict and vision_config_dict do not overrule" sh -c "'$make_fixture' features dicts | cmp - hf_gelu.direct"
cp -r hf usual && edit usual 'c["vision_config"].pop("num_attention_heads"); c["text_config"].pop("num_attention_heads")'
expect 0 '^text tower .*, 8 heads' "$gopro" import usual r15
cp -r hf processor && python3 - <<'PY'
import json, os
os.remove("processor/preprocessor_config.json")
size = json.load(open("processor/config.json"))["vision_config"]["image_size"]
json.dump({"processor_class": "CLIPProcessor", "image_processor": {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25], "resample": 2,
           "size": {"shortest_edge": size + 4}, "crop_size": {"height": size, "width": size}}}, open("processor/processor_config.json", "w"))
PY
expect 0 'bilinear.*mean 0.5 0.5 0.5, deviation 0.25 0.25 0.25' "$gopro" import processor r16
cp -r hf siglip && edit siglip 'c["model_type"] = "siglip"'
expect 4 "model_type is 'siglip', expected clip: models of other kinds" "$gopro" import siglip refused
# One folder for two libraries: timm's image tower alone has the name that Hugging Face uses.
cp -r open_clip dual && cp hf/model.safetensors dual/model.safetensors && echo '{"architecture": "vit_tiny", "num_classes": 0}' >dual/config.json
check "the image tower of another library is read" sh -c "'$make_fixture' features dual | cmp - open_clip.direct"
python3 - <<'PY'
import json, os, struct
def write(path, shapes):
    at, head = 0, {}
    for name, shape in shapes.items():
        n = 4
        for d in shape: n *= d
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(head).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
def block(prefix, w, hidden):
    return {prefix + k: s for k, s in {"ln_1.weight": [w], "ln_1.bias": [w], "attn.in_proj_weight": [3 * w, w], "attn.in_proj_bias": [3 * w],
            "attn.out_proj.weight": [w, w], "attn.out_proj.bias": [w], "ln_2.weight": [w], "ln_2.bias": [w], "mlp.c_fc.weight": [hidden, w],
            "mlp.c_fc.bias": [hidden], "mlp.c_proj.weight": [w, hidden], "mlp.c_proj.bias": [w]}.items()}
w = 1280
write("huge.safetensors", {"visual.conv1.weight": [w, 3, 4, 4], "visual.class_embedding": [w], "visual.positional_embedding": [5, w],
      "visual.ln_pre.weight": [w], "visual.ln_pre.bias": [w], "visual.ln_post.weight": [w], "visual.ln_post.bias": [w], "visual.proj": [w, 16],
      "token_embedding.weight": [980, 64], "positional_embedding": [20, 64], "ln_final.weight": [64], "ln_final.bias": [64],
      "text_projection": [64, 16], "logit_scale": [], **block("visual.transformer.resblocks.0.", w, 16), **block("transformer.resblocks.0.", 64, 16)})
# Names as torch.compile and sharded training leave them.
f = [x for x in os.listdir("open_clip") if x.endswith(".safetensors")][0]
b = open("open_clip/" + f, "rb").read()
n = struct.unpack("<Q", b[:8])[0]
head = json.loads(b[8:8 + n])
wrapped = {(k if k == "__metadata__" else "module._orig_mod." + k.replace("resblocks.0.", "resblocks.0._fsdp_wrapped_module.")): v for k, v in head.items()}
text = json.dumps(wrapped).encode()
os.makedirs("wrapped")
for x in os.listdir("open_clip"):
    if x != f: os.link("open_clip/" + x, "wrapped/" + x)
open("wrapped/" + f, "wb").write(struct.pack("<Q", len(text)) + text + b[8 + n:])
PY
check "names of wrapped modules" sh -c "'$make_fixture' features wrapped | cmp - open_clip.direct"
expect 0 '^heads +by width / 64, but 16 in the image tower as in open_clip' "$gopro" import huge.safetensors r17 "model.tokenizer=$PWD/hf"
check "16 heads" grep -q '^image tower .*width 1280, 16 heads' out.txt
rm -r huge.safetensors r17

# A variant's file, as Hugging Face names it, belongs to the configuration beside it; a file of any other name speaks for itself.
mkdir variant && cp hf/*.json hf/*.txt variant && cp hf/model.safetensors variant/model.fp16.safetensors
expect 0 '^activation     QuickGELU \(hidden_act in config.json' "$gopro" import variant/model.fp16.safetensors r_variant
mv variant/model.fp16.safetensors variant/mine.safetensors
expect 0 "warning: no config.json belongs to .*mine.safetensors" "$gopro" import variant/mine.safetensors r_mine model.v_heads=2 model.t_heads=2

# One file is one shard.
cp -r hf_sharded onefile && (cd onefile && set -- model-*.safetensors && rm "$2" && ln -s "$1" "$2")
expect 4 "the shards '.*' and '.*' are one file" "$gopro" import onefile refused

# Names that are no UTF-8, and what a checkpoint calls itself, are shown as plain text.
cp openai_state/ViT.pt $'caf\xe9.pt'
expect 0 '' "$gopro" import $'caf\xe9.pt' $'out\xe9' model.tokenizer=hf --json
check "names are missing from the JSON" python3 -c '
import json
r = json.load(open("out.txt"))
assert r["source"] == "caf?.pt" and r["out"] == "out?", r'
"$make_fixture" data d 4 2 3 || exit 1
expect 2 "path of the model, .*, is not UTF-8 and cannot be recorded; rename it" "$gopro" train --model $'caf\xe9.pt' --data d --out refused model.tokenizer=hf
rm -rf refused
python3 - <<'PY'
import zipfile
a, b = zipfile.ZipFile("slip/slip.pt"), zipfile.ZipFile("named.pt", "w", zipfile.ZIP_STORED)
for e in a.infolist():
    data = a.read(e)
    if e.filename.endswith("/data.pkl"):
        name = "\x1b[2Ja".encode() + "\u00e9".encode() * 40
        assert data.count(b"X\x09\0\0\0SLIP_TINY") == 1
        data = data.replace(b"X\x09\0\0\0SLIP_TINY", b"X" + len(name).to_bytes(4, "little") + name)
    b.writestr(e.filename, data)
b.close()
PY
expect 0 '' "$gopro" import named.pt named model.tokenizer=hf --json
check "args.model is not cut off and made plain" python3 -c '
import json
assert json.load(open("out.txt"))["format"] == "SLIP ?[2Ja" + "\u00e9" * 27 + ", PyTorch zip", open("out.txt").read()'

# The choice of the user.
expect 0 'exact GELU \(as asked for\)' "$gopro" import openai_state c1 model.activation=gelu
"$make_fixture" features c1 >c1.features
same c1.features hf_gelu.direct
expect 0 '2 heads' "$gopro" import hf c2 model.v_heads=2
check "how heads were found is not said in words" grep -q '^heads          by request$' out.txt
expect 4 '3 heads do not divide the image tower' "$gopro" import hf c3 model.v_heads=3
expect 2 'model.activation' "$gopro" import hf c4 model.activation=relu
expect 0 '' "$gopro" import open_clip/open_clip_model.safetensors c5 model.tokenizer=hf/merges.txt
expect 0 '' "$gopro" import hf_sharded/model.safetensors.index.json c6
same c6/model.safetensors imported/hf_sharded/model.safetensors

# A run with a checkpoint as it is; the same run with the imported one.
expect 0 'accuracy|%' "$gopro" zeroshot --model openai_jit/ViT.pt --data d --json
cp out.txt direct.txt
expect 0 '' "$gopro" zeroshot --model imported/openai_jit --data d --json
check "accuracy differs once imported" python3 - <<'PY'
import json
a, b = (json.load(open(f)) for f in ("direct.txt", "out.txt"))
def strip(o):
    return {k: strip(v) for k, v in o.items() if "second" not in k and k not in ("backbone", "model", "created")} if isinstance(o, dict) else o
raise SystemExit(strip(a) != strip(b))
PY
expect 0 'warning: nothing in' "$gopro" zeroshot --model openai_legacy --data d
expect 0 'warning: nothing in' "$gopro" protocol b2n --model openai_legacy --data d --methods zeroshot --seeds 1 --out jobs --jobs 2
check "the warning is told for every process" test "$(grep -c 'warning: nothing in' err.txt)" = 1
# A run learnt on the file itself works with what was imported from it, and the other way round; with other numbers it is refused.
short="optim.epochs=1 shots=1 --quiet"
expect 0 '' "$gopro" train --model openai_jit/ViT.pt --data d --out on_file $short
expect 0 '' "$gopro" train --model imported/openai_jit --data d --out on_import $short
check "a file and what was imported from it learn different prompts" test "$(tensors on_file)" = "$(tensors on_import)"
for run in on_file on_import; do
    for model in openai_jit/ViT.pt imported/openai_jit; do
        expect 0 'probability' "$gopro" predict $run d/test/*/*.png --json --model $model
        cp out.txt "$run.$(basename $model).json"
    done
done
for f in on_file.openai_jit on_import.ViT.pt on_import.openai_jit; do same on_file.ViT.pt.json $f.json; done
expect 0 '' "$gopro" import openai_jit exact16 --dtype f16 # it holds these numbers exactly
for run in on_file on_import; do expect 0 'accuracy' "$gopro" eval $run --model exact16; done
expect 0 'accuracy' "$gopro" eval on_import --model hf_sharded
expect 4 'was learnt on weights' "$gopro" eval on_import --model imported/hf_gelu
expect 4 'was learnt on weights' "$gopro" eval on_file --model imported/openai_jit model.activation=gelu
expect 4 'was learnt on weights' "$gopro" eval on_import --model openai_jit/ViT.pt model.activation=gelu
expect 0 '' "$gopro" import openai_jit asked model.activation=gelu
expect 4 'was learnt on weights' "$gopro" eval on_file --model asked
expect 0 '' "$gopro" train --model openai_jit/ViT.pt --data d --out on_gelu $short model.activation=gelu
expect 0 'accuracy' "$gopro" eval on_gelu --model asked
"$make_fixture" model random || exit 1
expect 0 '' "$gopro" train --model random --data d --out on_random $short
expect 0 '' "$gopro" import random exact
expect 0 '' "$gopro" import random rounded --dtype f16
expect 0 'accuracy' "$gopro" eval on_random --model exact
expect 4 'was learnt on weights' "$gopro" eval on_random --model rounded
# A run remembers how its checkpoint was read.
expect 0 '' "$gopro" train --model openai_state --data d --out run model.activation=gelu optim.epochs=1 shots=1
expect 4 'was learnt on weights' "$gopro" eval run --model openai_state model.activation=quickgelu
expect 0 'accuracy' "$gopro" eval run --model openai_state
mkdir untold && cp hf/config.json hf/model.safetensors untold/
expect 0 '' "$gopro" train --model untold --data d --out far model.tokenizer=hf/merges.txt optim.epochs=1 shots=1
expect 4 'vocabulary' "$gopro" zeroshot --model untold --data d
expect 0 'accuracy' "$gopro" eval far

# Refused by name, nothing executed, nothing written.
refused() {
    local status=$1 pattern=$2 file=$3
    expect "$status" "$pattern" "$gopro" import "hostile/$file" refused model.tokenizer=hf
    checks=$((checks + 1))
    [ ! -e refused ] && [ ! -e executed ] && [ ! -e hostile/executed ] || fail "$file left something behind"
}
refused 4 "asks for 'posix.system'.*nothing was executed" system.pt
refused 4 "asks for 'posix.system'" stack_global.pt
refused 4 "asks for '[a-z_]*.eval'" eval.pt
refused 4 "asks for '[a-z]*.Popen'" popen.pt
refused 4 'operation 0x53 is refused' inst.pt
refused 4 "asks for 'torch.nn.modules.linear.Linear'" whole.pt
refused 4 "'visual.transformer.resblocks.1.ln_2.bias' is missing" missing.pt
refused 4 "'visual.transformer.resblocks.1.mlp.c_fc.bias' has shape \[5\], expected \[64\]" shape.pt
refused 4 "'logit_bias' is not part of a CLIP" unknown.pt
refused 4 "'visual.proj': it repeats its numbers" expanded.pt
refused 4 "'ln_final.weight' and 'ln_final.bias' overlap" overlap.pt
refused 4 'ResNet, which is not supported' resnet.pt
refused 4 'comes from another library' trunk.pt
refused 4 'no directory at its end' torn.pt

# Torn everywhere: a clear error, never a crash.
size=$(stat -c %s openai_jit/ViT.pt)
for k in 0 1 10 100 1000 $((size - 1)) $((size - 21)) $((size - 100)) $((size - 3000)); do
    head -c $k openai_jit/ViT.pt >torn.pt
    expect 4 'torn.pt' "$gopro" import torn.pt refused model.tokenizer=hf
done
cp -r hf_sharded gap && rm gap/model-00002-of-00002.safetensors
expect 4 'model-00002-of-00002.safetensors' "$gopro" import gap refused
cp -r hf_sharded way && sed -i 's#model-00002-of#../hf_sharded/model-00002-of#' way/model.safetensors.index.json
expect 4 'is no file name in this folder' "$gopro" import way refused
cp -r open_clip odd && sed -i 's/"patch_size": 4/"patch_size": 8/' odd/open_clip_config.json
expect 4 'patch_size is 8, but the tensors say 4' "$gopro" import odd refused
cp -r hf other && cp "$source_dir/models/small/merges.txt" other/ && rm other/vocab.json
expect 0 '' "$gopro" import hf twice
expect 2 'is there and not empty' "$gopro" import hf twice
mkdir bare && cp openai_jit/ViT.pt bare
expect 4 'holds no vocabulary.*model.tokenizer=PATH' "$gopro" import bare refused
expect 4 'no model at' "$gopro" import nowhere refused
expect 2 'a checkpoint and a new folder' "$gopro" import hf
expect 2 "dtype is 'f32'" "$gopro" import hf refused --dtype f64
[ ! -e refused ] || fail "a refused import left a folder"

# What a 16-bit type cannot hold is said, not stored as infinity.
# poke FOLDER TENSOR NUMBER: its first number, in a copy of hf.
poke() {
    rm -rf "$1" && cp -r hf "$1" && python3 - "$@" <<'PY'
import json, struct, sys
f = open(sys.argv[1] + "/model.safetensors", "r+b")
n = struct.unpack("<Q", f.read(8))[0]
f.seek(8 + n + json.loads(f.read(n))[sys.argv[2]]["data_offsets"][0])
f.write(struct.pack("<f", float(sys.argv[3])))
PY
}
poke large text_model.final_layer_norm.bias 1e6
expect 4 "'text_model.final_layer_norm.bias': element 0 is 1e\+06, too large for F16.*--dtype bf16" "$gopro" import large refused --dtype f16
check "a refused import left a folder" test ! -e refused
expect 0 '' "$gopro" import large large16 --dtype bf16
poke large text_model.final_layer_norm.bias -3.4e38
expect 4 "element 0 is -3.4e\+38, too large for BF16.*--dtype f32" "$gopro" import large refused --dtype bf16
expect 0 '' "$gopro" import large large32

# A scale that would end in numbers that are not finite.
poke large logit_scale 1e30
expect 4 "'logit_scale' is 1e\+30, expected -13.8 to 13.8" "$gopro" import large refused
check "a refused import left a folder" test ! -e refused

# A bit that changed between PyTorch and here is found by the archive's checksums; an archive written without them (all 0) is taken.
cat >zip_edit.py <<'PY'
import struct, sys
name, edit = sys.argv[1:]
b = bytearray(open(name, "rb").read())
end = b.rfind(b"PK\x05\x06")
n, at = struct.unpack("<H", b[end + 10:end + 12])[0], struct.unpack("<I", b[end + 16:end + 20])[0]
assert at != 0xffffffff
largest = None
for _ in range(n):
    size, n_name, n_extra, n_comment, head = *struct.unpack("<I", b[at + 24:at + 28]), *struct.unpack("<3H", b[at + 28:at + 34]), *struct.unpack("<I", b[at + 42:at + 46])
    if edit == "crc_off":
        b[at + 16:at + 20] = b[head + 14:head + 18] = bytes(4)
    if largest is None or size > largest[0]:
        largest = (size, head + 30 + sum(struct.unpack("<2H", b[head + 26:head + 30])))
    at += 46 + n_name + n_extra + n_comment
if edit != "crc_off":
    b[largest[1] + largest[0] // 2] ^= 1
open(name, "wb").write(b)
PY
for f in openai_jit openai_state hf_bin; do
    cp -r $f damaged && python3 zip_edit.py damaged/*.[pb][ti]* flip
    expect 4 "zip entry '[^']*/data/[^']*': its bytes are not those that were written .CRC-32." "$gopro" import damaged refused
    check "a refused import left a folder" test ! -e refused
    rm -r damaged
    cp -r $f no_crc && python3 zip_edit.py no_crc/*.[pb][ti]* crc_off
    expect 0 "^content hash   $a" "$gopro" import no_crc imported/no_crc
    rm -r no_crc imported/no_crc
done

# Damage after the import is found: by samples at once where they lie, elsewhere by --verify.
cp -r imported/hf damaged && printf 'x' | dd of=damaged/model.safetensors bs=1 seek=$(($(stat -c %s damaged/model.safetensors) - 3)) conv=notrunc 2>/dev/null
expect 4 'changed or damaged after it was imported' "$gopro" import damaged refused
rm -r damaged
# The token table is larger than its samples; 40,000 bytes behind its beginning nothing is sampled.
cp -r imported/hf damaged && python3 - <<'PY'
import json, struct
f = open("damaged/model.safetensors", "r+b")
n = struct.unpack("<Q", f.read(8))[0]
at = json.loads(f.read(n))["text_model.embeddings.token_embedding.weight"]["data_offsets"][0]
f.seek(8 + n + at + 40000)
f.write(struct.pack("<f", 0.25 + 1 / 512))
PY
expect 4 'its contents have the hash' "$gopro" import --verify damaged
expect 4 'its contents have the hash' "$gopro" import damaged refused # a new record must not vouch for it
expect 4 'its contents have the hash' "$gopro" import damaged refused model.activation=gelu
expect 4 'carries no content hash' "$gopro" import --verify hf
no_leftovers .
finish
