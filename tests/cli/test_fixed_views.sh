# test_fixed_views.sh - views.fixed: as many sets of views as epochs change nothing but the time, fewer change what is seen; resumed runs end
# with the same bytes.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 10 6 || exit 1
options="shots=4 optim.epochs=4"
numbers() { # losses, accuracies and the spread of every epoch
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    m = json.loads(line)
    print([m[k] for k in sorted(m) if k in ("loss", "terms", "accuracy", "shift_spread", "context_drift")])' "$1/metrics.jsonl" >"$1.txt"
}

for method in gopro coop maple gopro_release; do
    for n in 0 4 2; do
        expect 0 'HM|accuracy' "$gopro" train --model m --data d --out $method$n --subset base method=$method $options views.fixed=$n
        numbers $method$n
    done
    check "$method: four sets in four epochs are not the fresh views" cmp -s ${method}0.txt ${method}4.txt
    check "$method: two sets in four epochs are the fresh views" test "$(cmp -s ${method}0.txt ${method}2.txt; echo $?)" = 1
    check "$method: the first two epochs do not see the same views" test "$(head -2 ${method}0.txt)" = "$(head -2 ${method}2.txt)"
    expect 0 'HM|accuracy' "$gopro" train --model m --data d --out t$method --subset base method=$method $options views.fixed=2 threads=3
    same ${method}2/prompt.safetensors t$method/prompt.safetensors
    check "$method: fresh and fixed views learn the same" test "$(tensors ${method}0)" != "$(tensors ${method}2)"
    check "$method: as many sets as epochs learn something else" test "$(tensors ${method}0)" = "$(tensors ${method}4)"
done

expect 0 'HM|accuracy' "$gopro" train --model m --data d --out coop9 --subset base method=coop $options views.fixed=9
numbers coop9
check "nine sets in four epochs are not the fresh views" cmp -s coop0.txt coop9.txt

# Interrupted in the middle: the views are made again and the run ends with the same bytes.
long="shots=8 optim.epochs=300 checkpoint.every=0 views.fixed=3"
expect 0 'HM' "$gopro" train --model m --data d --out full --subset base $long
interrupted part 300 INT "$gopro" train --model m --data d --out part --subset base $long
expect 0 'resumed at epoch' "$gopro" train --model m --data d --out part --subset base $long
same full/prompt.safetensors part/prompt.safetensors

expect 2 "views.fixed" "$gopro" train --model m --data d --out bad --subset base views.fixed=-1
finish

