# A release: edit it, then `gsvctl hup unicorn`.
release = 1
run ->(_env) { [200, { 'Content-Type' => 'text/plain' }, ["release=#{release}\n"]] }
