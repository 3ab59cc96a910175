"""Find words in recordings: where are they said?

python examples/find_words.py WORD[,WORD...] RECORDING...
"""

import sys

import parrotlet

if len(sys.argv) < 3:
    sys.exit(__doc__)
wanted = {word.casefold() for word in sys.argv[1].split(",")}
model = parrotlet.load()

for path in sys.argv[2:]:
    try:
        result = model.transcribe(path)
    except parrotlet.AudioError as error:  # names the file; the others go on
        print(error, file=sys.stderr)
        continue
    for word in result.words:
        if word.word.casefold().strip(".,!?") in wanted:
            print(f"{path}:{word.start:.2f}: {word.word}")
