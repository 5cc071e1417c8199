def summary(data, parts):
    return {}


def tables(record):
    return {}
