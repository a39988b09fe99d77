# Writes 8 MB that compress badly, as logs do: a counter and an identifier of 24 random letters a line.
import sys

letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
state = 1
for row in range(8000000 // 34):
    identifier = ""
    for _ in range(4):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        identifier += "".join(letters[state >> shift & 63] for shift in range(28, 64, 6))
    sys.stdout.write("%08d %s\n" % (row, identifier))
