-- The pool: texts that many traces share, names of their roots and services. The first places are for services: of these a trace holds a bit
-- each. Place 0 stands for none.
return function(E)
  local ffi, bit, C = E.ffi, E.bit, E.C
  local band, bor, lshift, rshift = bit.band, bit.bor, bit.lshift, bit.rshift
  local SERVICES = 64
  local pool, pool_ids, pool_free, pool_size, service_count = {}, {}, {}, SERVICES - 1, 0
  E.pool = pool
  E.pool_limit = 65536

  local function free_place(is_service)
    if is_service and service_count < SERVICES - 1 then
      service_count = service_count + 1
      return service_count
    end
    local place = table.remove(pool_free)
    if place then return place end
    pool_size = pool_size + 1
    return pool_size
  end

  -- The place of a text in the pool, from 1.
  function E.pooled(p, n, is_service)
    local text = ffi.string(p, n)
    local id = pool_ids[text]
    if not id then
      id = free_place(is_service)
      pool[id], pool_ids[text] = text, id
    end
    return id
  end

  -- A trace has a service, whose text is at this place.
  function E.note_service(state, place)
    if place < SERVICES then
      local word = rshift(place, 5)
      state.services[word] = bor(state.services[word], lshift(1, place))
      return
    end
    local list = state.more_services
    local n = list == nil and 0 or list.n
    if n > 0 and (list.v[n - 1] == place or C.wmemchr(list.v, place, n) ~= nil) then return end
    if n == 0 or n == list.cap then state.more_services = E.resize_list(list, n + 2 + rshift(n, 1), 4) end
    state.more_services.v[n], state.more_services.n = place, n + 1
  end

  -- The places of a trace's services in the pool.
  function E.service_places(state)
    local found, list = {}, state.more_services
    for place = 1, SERVICES - 1 do
      if band(rshift(state.services[rshift(place, 5)], place), 1) ~= 0 then found[#found + 1] = place end
    end
    for k = 0, (list == nil and 0 or list.n) - 1 do found[#found + 1] = list.v[k] end
    return found
  end

  local function ones(word)
    word = word - band(rshift(word, 1), 0x55555555)
    word = band(word, 0x33333333) + band(rshift(word, 2), 0x33333333)
    word = band(word + rshift(word, 4), 0x0f0f0f0f)
    return band(word + rshift(word, 8) + rshift(word, 16) + rshift(word, 24), 63)
  end

  E.ones = ones

  function E.service_count(state)
    local more = state.more_services
    return ones(band(state.services[0], -2)) + ones(state.services[1]) + (more == nil and 0 or more.n)
  end

  -- One more than the greatest place of the pool.
  function E.pool_places() return pool_size + 1 end

  -- Drop the texts of the pool that no trace holds.
  local function sweep()
    local marked = {}
    E.each_state(function(state)
      marked[state.root_name], marked[state.root_service] = true, true
      for _, place in ipairs(E.service_places(state)) do marked[place] = true end
      E.mark_captured(state, marked)
    end)
    local held = 0
    for id = SERVICES, pool_size do
      if pool[id] and not marked[id] then
        pool_ids[pool[id]], pool[id] = nil, nil
        pool_free[#pool_free + 1] = id
      elseif pool[id] then
        held = held + 1
      end
    end
    E.pool_limit = math.max(65536, 2 * held)
    E.forget_resources()
  end

  function E.tend_pool()
    if pool_size - #pool_free > E.pool_limit then sweep() end
  end
end
