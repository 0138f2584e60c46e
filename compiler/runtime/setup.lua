-- Puts the runtime together and loads a program into it; returns what the host may call.
local ffi, bit, config, libraries, parts, forms, skew, chunk = ...
local E
local function env(part) part(E) end

E = parts[1](ffi, bit, config)
E.skew = ffi.cast("int64_t", skew)
E.relations = libraries.relations(ffi, libraries.sweep(ffi, bit), 64)
E.exact = libraries.exact(ffi, bit)
local kinds = libraries.patterns(ffi, bit)
E.matchers, E.automata = {}, {}
for k = 1, #forms do
  local form = forms[k]
  E.matchers[k], E.automata[k] = kinds[form[1]](unpack(form, 2))
end

E.membership = E.buffer("int32_t", (E.row_capacity + 1) * config.membership_words)
E.needs = E.buffer("uint8_t", config.name_count + 1)
for class = 0, config.name_count do E.needs[class] = config.needs[class + 1] and 1 or 0 end
-- Rows in order of their classes, and where their slots, their features and their membership begin.
for _, name in ipairs { "order", "bases", "firsts", "places" } do
  E[name] = E.buffer("int32_t", E.row_capacity + 1)
end
env(parts[2])
E.keys = E.text_table(0x0a, config.keys, 16, "entry_t")
E.names = E.text_table(0x2a, config.names, 16, "entry_t")
for k = 3, #parts - 1 do env(parts[k]) end
E.W.none = { n = 0 }
chunk(E)
E.complete_classes()
return parts[#parts](E)
