-- Which names that rules read occur in kept spans. One that has occurred is not looked for again. Counterpart: compiler/read_names.py.
return function(E)
  local rows, slots, order, ends, V = E.rows, E.slots, E.order, E.class_ends, E.V
  local K = E.config.column_count
  local watched, waiting = {}, {}

  -- Look for spans of a class, where `column` is not 0 for a value of theirs, where `tag` is not 0 for an attribute `key` of one of their
  -- events (0x5a) or links (0x6a). Class 0: any span, or any root.
  function E.watch(class, column, root, tag, key)
    local one = { class = class, column = column, root = root, tag = tag, occurred = false }
    if tag ~= 0 then
      local key_tag = tag == 0x5a and 0x1a or 0x22
      one.predicate = function(_, _, _, _, p, n) return V.element_attribute(p, n, key_tag, key) ~= nil end
    end
    watched[#watched + 1] = one
    waiting[#waiting + 1] = one
  end

  function E.occurred()
    local found = {}
    for x = 1, #watched do found[x] = watched[x].occurred and "\1" or "\0" end
    return table.concat(found)
  end

  local function has(one, i)
    if one.root and rows[i].pid ~= 0 then return false end
    if one.predicate then return V.some_element(one.tag, one.predicate, rows, slots, i, 0) end
    return one.column == 0 or slots[i * K + one.column].tag ~= 0
  end

  -- Looks at the kept rows of a batch, which are sorted by their classes.
  function E.look_for_names(kept)
    for x = #waiting, 1, -1 do
      local one = waiting[x]
      local at, last = 0, kept - 1
      if one.class > 0 then at, last = ends[one.class - 1], ends[one.class] - 1 end
      while at <= last and not has(one, order[at]) do at = at + 1 end
      if at <= last then
        one.occurred = true
        table.remove(waiting, x)
      end
    end
  end
end
