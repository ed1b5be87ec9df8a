# A release: edit it, then `gsvctl hup gunicorn`.
release = 1


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"release=%d\n" % release]
