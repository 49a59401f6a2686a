# A stand-in.
function(mbed_set_post_build target)
endfunction()

function(mbed_finalize_build)
endfunction()
