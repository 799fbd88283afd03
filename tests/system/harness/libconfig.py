"""Python values as libconfig text, so that a test states only what it is
about."""


class Raw(str):
    """Text that goes into the file as it is."""


def _value(value, indent):
    tabs = "\t" * indent
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')
    if isinstance(value, dict):
        return "{\n%s%s}" % (_settings(value, indent + 1), tabs)
    if isinstance(value, (list, tuple)):
        # An array holds scalars of one type, a list anything.
        if value and not any(isinstance(v, (dict, list, tuple))
            for v in value):
            return "[%s]" % ", ".join(_value(v, indent) for v in value)
        return "(%s)" % ",".join("\n%s\t%s" % (tabs, _value(v, indent + 1))
            for v in value)
    raise TypeError("no libconfig form of %r" % (value,))


def _settings(settings, indent):
    return "".join("%s%s = %s;\n" % ("\t" * indent, name,
        _value(value, indent)) for name, value in settings.items()
        if value is not None)


def dumps(settings):
    """A dict as a libconfig file; None leaves a setting out."""
    return _settings(settings, 0)


def merge(base, changes):
    """base with changes on top, groups merged deeply."""
    result = dict(base)
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merge(result[name], value)
        else:
            result[name] = value
    return result
