#!/usr/bin/env bash
# `import nbformat` takes two seconds of processor where Jupyter is installed: jsonschema then finds
# rfc3987_syntax, which builds a parser of the whole grammar of addresses while it is imported,
# whether an address is ever checked or not.
#
#     bash findings/nbformat_import.sh
#
# Installs pinned versions in a temporary folder and imports nbformat there, as it is and with that
# package hidden. Exits 0 while the parser is built at the import, 1 once it is not. The kit reads
# notebooks where it must (tools/), and no chapter imports nbformat but the one that needs it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nbformat==5.11.1 jsonschema==4.26.0 \
    rfc3987-syntax==1.1.0 lark==1.3.1
cd "$folder"
cat > look.py <<'PYTHON'
import sys
import time

if "hidden" in sys.argv:
    sys.modules["rfc3987_syntax"] = None  # an import of it fails
start = time.process_time()
import nbformat

print(f"{time.process_time() - start:.2f} {int('lark' in sys.modules)}")
PYTHON
"$folder/venv/bin/python" look.py > first.txt  # compiles what it imports
read -r seconds built < <("$folder/venv/bin/python" look.py)
read -r hidden _ < <("$folder/venv/bin/python" look.py hidden)
echo "import nbformat: $seconds s of processor; with rfc3987_syntax hidden: $hidden s"
if [ "$built" = 1 ]; then echo "as described"; else echo "changed: no parser is built"; exit 1; fi
