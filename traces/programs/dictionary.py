# A dictionary of 200,000 strings, each looked up once in an order that has no pattern in memory.


def build(n):
    keys = list(map(str, range(n)))
    return dict.fromkeys(keys, 1), set(keys)


def look_up(table, keys):
    total = 0
    for key in keys:
        total += table[key]
    return total


print(look_up(*build(200000)))
