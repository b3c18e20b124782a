# test_latex.sh - every kind of LaTeX table compiles, alone and inside a document, and nothing hangs over the page.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

if ! command -v pdflatex >/dev/null; then
    echo "SKIPPED: pdflatex is not installed, so that no LaTeX table was compiled"
    exit 77
fi
latex() { (cd "$(dirname "$1")" && pdflatex -interaction=nonstopmode -halt-on-error -no-shell-escape "$(basename "$1")"); }
compiles() {
    expect 0 'Output written on .*\.pdf' latex "$1"
    check "$1 has lines that are too wide or a table that is too high" sh -c '! grep -E "Overfull|too large" out.txt'
}

# Reports of the program: one of each protocol, with a failed run, an ablation with its published rows, names that LaTeX would misread.
"$make_fixture" model m && "$make_fixture" data 'a_50%&#1' 4 4 3 && "$make_fixture" data two 4 4 3 && mkdir -p 'bad_{set}/train/a' 'bad_{set}/test/a' &&
    echo x >'bad_{set}/train/a/1.png' && echo x >'bad_{set}/test/a/1.png' || exit 1
options="shots=2 optim.epochs=1"
expect 3 'average' "$gopro" protocol b2n --model m --data 'a_50%&#1' --data two --data 'bad_{set}' --methods zeroshot,linear_probe,gopro --seeds 1-2 --out p $options
expect 0 'average' "$gopro" protocol xd --model m --source two --data 'a_50%&#1' --methods zeroshot,gopro --seeds 1 --out p $options
expect 0 'published, other data' "$gopro" ablate losses --model m --data two --seeds 1 --out p $options
for name in b2n xd ablate-losses; do compiles "p/$name/report.tex"; done

# The tables of the unit tests: the field's eleven datasets on a page, five domains.
for name in b2n field dg; do
    cp "$source_dir/tests/golden/report/$name.tex" .
    compiles "$name.tex"
done

# Read into a document.
printf '\\documentclass{article}\n\\begin{document}\nBefore.\n\\input{field}\n\\input{dg}\nBehind.\n\\end{document}\n' >whole.tex
expect 0 'Output written on whole\.pdf' latex whole.tex

# The test can fail.
sed 's/\\hline/\\hlin/' field.tex >broken.tex
expect 1 'Undefined control sequence' latex broken.tex
finish
